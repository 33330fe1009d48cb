"""Ray on two hosts: a job finds the wheel on both, and the loss of one changes no number."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from longplay.envs.cohort import Cohort

pytestmark = [pytest.mark.extras, pytest.mark.slow]

WALK = '''
"""Revenue of cohorts of AdLoad, walked as tasks of a cluster, printed as JSON."""
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
    revenue = [float(people.step(np.full(100, 9))[1].sum()) for _ in range(steps)]
    threads = os.environ["NUMBA_NUM_THREADS"]
    return socket.gethostname(), longplay.envs.__file__, threads, sum(revenue)

with on_ray("auto") as nodes:
    import ray

    task = ray.remote(walk).options(num_cpus=1)
    seen = ray.get([task.remote(seed, int(sys.argv[2])) for seed in range(int(sys.argv[1]))])
    print("RESULT", json.dumps([len(nodes), sys.executable, longplay.envs.__file__, seen]))
'''


def walk(seed: int, steps: int) -> float:
    """What a task of WALK brings in, here."""
    people = Cohort("AdLoad", num_envs=100, scenario="bench")
    people.reset(seed=seed)
    return sum(float(people.step(np.full(100, 9))[1].sum()) for _ in range(steps))


def result(said: str) -> Any:
    (line,) = [line for line in said.splitlines() if line.startswith("RESULT ")]
    return json.loads(line.removeprefix("RESULT "))


def test_a_job_walks_on_both_hosts_from_the_wheel(cluster: Any, tmp_path: Path) -> None:
    script = tmp_path / "walk.py"
    script.write_text(WALK)
    job = cluster.submit("python", str(script), "6", "2000")
    nodes, python, imported, seen = result(cluster.outcome(job, 150))
    assert nodes == 2
    assert Path(python).parent == Path(cluster.head.environment["PATH"].split(os.pathsep)[0])
    assert imported.startswith("/tmp/ray/session_")
    hosts, files, threads, revenue = zip(*seen, strict=True)
    assert set(hosts) == {"longplay-1", "longplay-2"}
    assert all(file.startswith("/tmp/ray/session_") for file in files)
    assert set(threads) == {"1"}
    assert list(revenue) == [walk(seed, 2000) for seed in range(6)]
