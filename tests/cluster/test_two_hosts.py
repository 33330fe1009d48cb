"""Ray on two hosts: a job finds the wheel on both, and the loss of one changes no number."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from longplay.envs.cohort import Cohort
from longplay.experiments.cli import main

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


def test_a_host_unplugged_in_the_middle_changes_no_number(cluster: Any, tmp_path: Path) -> None:
    """Of `longplay compare`: the part that was lost is done once more, and counted once."""
    two, one = str(tmp_path / "two"), str(tmp_path / "one")
    command = ["compare", "--agents", "fixed-3-7", "random", "--seeds", "1"]
    command += ["--users", "40000", "--horizon-days", "10"]
    compare = ("python", "-m", "longplay.experiments", *command, "--ray", "auto", "--out", two)
    job = cluster.submit(*compare)
    cluster.until(
        lambda: "ray::_work_away" in cluster.worker.run("ps", "-eo", "args"), job, PATIENCE
    )
    cluster.worker.unplug()
    log = cluster.outcome(job, PATIENCE)
    assert log.count("was lost; its work is done again") == 1

    main([*command, "--jobs", "1", "--out", one])
    tables = sorted(path.name for path in Path(one).glob("*.parquet"))
    assert len(tables) >= 3
    for name in tables:
        alike = pl.read_parquet(Path(one) / name).equals(pl.read_parquet(Path(two) / name))
        assert alike, name
