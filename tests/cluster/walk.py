"""A job: cohorts of AdLoad, walked as tasks of a cluster. python walk.py COHORTS STEPS

Says each task's end, where it was, and what it brought in.
"""

import json
import os
import socket
import sys

import numpy as np
import ray

import longplay.envs
from longplay.agents.cluster import on_ray


@ray.remote(num_cpus=1)
def walk(seed, steps):
    from longplay.envs.cohort import Cohort

    people = Cohort("AdLoad", num_envs=100, scenario="bench")
    people.reset(seed=seed)
    return {
        "seed": seed,
        "host": socket.gethostname(),
        "longplay": longplay.envs.__file__,
        "threads": [os.environ[f"{name}_NUM_THREADS"] for name in ("NUMBA", "OMP")],
        "revenue": sum(float(people.step(np.full(100, 9))[1].sum()) for _ in range(steps)),
    }


def main(cohorts, steps):
    print("DRIVER", json.dumps({"python": sys.executable, "longplay": longplay.envs.__file__}))
    with on_ray("auto") as nodes:
        print("NODES", len(nodes))
        waiting = [walk.remote(seed, steps) for seed in range(cohorts)]
        while waiting:
            (done, *_), waiting = ray.wait(waiting)
            print("DONE", json.dumps(ray.get(done)))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
