"""Ray on two hosts: a job finds the wheel on both, and the loss of one changes no number."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from longplay.envs.cohort import Cohort

pytestmark = [pytest.mark.extras, pytest.mark.slow]

PATIENCE = 300.0  # with a job, compiling included, on a machine that does much else [s]
WALK = str(Path(__file__).with_name("walk.py"))
KNOCK = """
import sys, urllib.error, urllib.request
for url in sys.argv[1:]:
    try:
        print(urllib.request.urlopen(urllib.request.Request(url), timeout=10).status)
    except urllib.error.HTTPError as error:
        print(error.code)
    except urllib.error.URLError as error:
        print(type(error.reason).__name__)
"""


def revenue(seed: int, steps: int) -> float:
    """What a task of walk.py brings in, walked here."""
    people = Cohort("AdLoad", num_envs=100, scenario="bench")
    people.reset(seed=seed)
    return sum(float(people.step(np.full(100, 9))[1].sum()) for _ in range(steps))


def said(log: str, word: str) -> list[Any]:
    """What stands behind a word in a job's log."""
    found = (line.partition(" ") for line in log.splitlines())
    return [json.loads(rest) for first, _, rest in found if first == word]


def test_a_job_walks_on_both_hosts_from_the_wheel(cluster: Any) -> None:
    # A variable of the job's own holds, beside those that on_ray sets.
    job = cluster.submit("python", WALK, "6", "2000", env={"OMP_NUM_THREADS": "2"})
    log = cluster.outcome(job, PATIENCE)
    assert said(log, "NODES") == [2]
    (driver,), done = said(log, "DRIVER"), said(log, "DONE")
    assert cluster.head.environment["PATH"].startswith(str(Path(driver["python"]).parent))
    assert all(
        "/runtime_resources/py_modules_files/" in each["longplay"] for each in (driver, *done)
    )
    assert {each["host"] for each in done} == {"longplay-1", "longplay-2"}
    assert all(each["threads"] == ["1", "2"] for each in done)
    seen = {each["seed"]: each["revenue"] for each in done}
    assert len(done) == 6 and seen == {seed: revenue(seed, 2000) for seed in range(6)}

    # Who has no token is kept out: of the agent that takes jobs on each node, and of the job
    # server, which listens on the head's loopback only.
    agents = [f"http://10.77.0.{host}:52365/api/job_agent/jobs/" for host in (1, 2)]
    server = "http://{}:8265/api/jobs/"
    knock = ("python", "-c", KNOCK)
    outside = cluster.worker.run(*knock, *agents, server.format("10.77.0.1"))
    assert outside.split() == ["401", "401", "ConnectionRefusedError"]
    assert cluster.head.run(*knock, server.format("127.0.0.1")).split() == ["401"]


def test_a_host_unplugged_in_the_middle_changes_no_number(cluster: Any) -> None:
    job = cluster.submit("python", WALK, "6", "20000")

    def at_work_again() -> bool:
        """The second host brought something in, and is at its next task."""
        hosts = {each["host"] for each in said(job[1].read_text(), "DONE")}
        return "longplay-2" in hosts and "ray::walk" in cluster.worker.run("ps", "-eo", "args")

    cluster.until(at_work_again, job, PATIENCE)
    before = len(said(job[1].read_text(), "DONE"))
    cluster.worker.unplug()
    done = said(cluster.outcome(job, PATIENCE), "DONE")
    # One more may have been on its way when the plug was pulled.
    assert before < 6 and {each["host"] for each in done[before + 1 :]} == {"longplay-1"}
    assert sorted(each["seed"] for each in done) == list(range(6))  # nothing lost, nothing twice
    seen = {each["seed"]: each["revenue"] for each in done}
    assert seen == {seed: revenue(seed, 20000) for seed in range(6)}
