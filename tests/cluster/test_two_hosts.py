"""Ray on two hosts: a job finds the wheel on both, and the loss of one changes no number."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from longplay.envs.cohort import Cohort

pytestmark = [pytest.mark.extras, pytest.mark.slow]

PATIENCE = 300.0  # with a job, compiling included, on a machine that does much else [s]

WALK = '''
"""Cohorts of AdLoad walked as tasks of a cluster: says each task's end, and what it brought in."""
import json, sys
import longplay.envs
from longplay.agents.cluster import on_ray

def walk(seed, steps):
    import os, socket
    import numpy as np
    import longplay.envs
    from longplay.envs.cohort import Cohort

    people = Cohort("AdLoad", num_envs=100, scenario="bench")
    people.reset(seed=seed)
    revenue = sum(float(people.step(np.full(100, 9))[1].sum()) for _ in range(steps))
    return {"seed": seed, "host": socket.gethostname(), "longplay": longplay.envs.__file__,
            "threads": os.environ["NUMBA_NUM_THREADS"], "revenue": revenue}

print("DRIVER", json.dumps({"python": sys.executable, "longplay": longplay.envs.__file__}))
with on_ray("auto") as nodes:
    import ray

    task = ray.remote(walk).options(num_cpus=1)
    waiting = [task.remote(seed, int(sys.argv[2])) for seed in range(int(sys.argv[1]))]
    print("NODES", len(nodes))
    while waiting:
        (done, *_), waiting = ray.wait(waiting)
        print("DONE", json.dumps(ray.get(done)), flush=True)
'''


def revenue(seed: int, steps: int) -> float:
    """What a task of WALK brings in, walked here."""
    people = Cohort("AdLoad", num_envs=100, scenario="bench")
    people.reset(seed=seed)
    return sum(float(people.step(np.full(100, 9))[1].sum()) for _ in range(steps))


def lines(log: str, first: str) -> list[Any]:
    """What stands behind a word in a job's log."""
    return [
        json.loads(line.partition(" ")[2]) for line in log.splitlines() if line.startswith(first)
    ]


@pytest.fixture
def walk(tmp_path: Path) -> str:
    """The script."""
    script = tmp_path / "walk.py"
    script.write_text(WALK)
    return str(script)


def test_a_job_walks_on_both_hosts_from_the_wheel(cluster: Any, walk: str) -> None:
    said = cluster.outcome(cluster.submit("python", walk, "6", "2000"), PATIENCE)
    assert lines(said, "NODES") == [2]
    (driver,), done = lines(said, "DRIVER"), lines(said, "DONE")
    assert cluster.head.environment["PATH"].startswith(str(Path(driver["python"]).parent))
    assert all(each["longplay"].startswith("/tmp/ray/session_") for each in (driver, *done))
    assert {each["host"] for each in done} == {"longplay-1", "longplay-2"}
    assert {each["threads"] for each in done} == {"1"}
    seen = {each["seed"]: each["revenue"] for each in done}
    assert len(done) == 6 and seen == {seed: revenue(seed, 2000) for seed in range(6)}


def test_a_host_unplugged_in_the_middle_changes_no_number(cluster: Any, walk: str) -> None:
    job = cluster.submit("python", walk, "6", "20000")

    def at_work_again() -> bool:
        """The second host brought something in, and is at its next task."""
        hosts = {each["host"] for each in lines(job[1].read_text(), "DONE")}
        return "longplay-2" in hosts and "ray::walk" in cluster.worker.run("ps", "-eo", "args")

    cluster.until(at_work_again, job, PATIENCE)
    before = len(lines(job[1].read_text(), "DONE"))
    cluster.worker.unplug()
    done = lines(cluster.outcome(job, PATIENCE), "DONE")
    assert before < 6 and {each["host"] for each in done[before + 1 :]} == {"longplay-1"}
    assert sorted(each["seed"] for each in done) == list(range(6))  # nothing lost, nothing twice
    seen = {each["seed"]: each["revenue"] for each in done}
    assert seen == {seed: revenue(seed, 20000) for seed in range(6)}
