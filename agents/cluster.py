"""Ray, where agents and experiments meet it: join a cluster, or start one on this machine.

    with on_ray() as nodes: ...                  a cluster of this machine's own, for the while
    with on_ray("10.0.0.1:6379") as nodes: ...   an existing one, joined for the while
    with on_ray("auto") as nodes: ...            the one this machine belongs to

What is started here listens on loopback only, has no dashboard, and reports no usage statistics.
Whoever reaches the ports of a cluster and has its token, if it has one, may run code on it; see
docs/cluster.md.
"""

from __future__ import annotations

import json
import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

from longplay.agents.extras import require

THREAD_VARIABLES = ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS",
                    "OPENBLAS_NUM_THREADS")  # fmt: skip
PATIENCE = 5.0  # how long a cluster's head may take to answer a call [s]
TOKEN = "if it has a token, set RAY_AUTH_MODE=token and put the token into ~/.ray/auth_token"
QUIET = {  # of Ray itself, unless the user says otherwise
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # leave CUDA_VISIBLE_DEVICES of workers alone
    "RAY_DISABLE_IMPORT_WARNING": "1",
}


class NoCluster(ConnectionError):
    """There is no Ray cluster at an address, or it does not let us in."""


def threads_env(threads: int = 1) -> dict[str, str]:
    """Environment variables that hold a process to so many threads.

    A Ray worker sets OMP_NUM_THREADS by itself; numba would take every core in each of them. Those
    that `ray job submit` set for the job that this process belongs to hold: Ray refuses a second
    word on them.
    """
    job = json.loads(os.environ.get("RAY_JOB_CONFIG_JSON_ENV_VAR", "{}")).get("runtime_env") or {}
    said = job.get("env_vars") or {}
    return {name: str(threads) for name in THREAD_VARIABLES if name not in said}


@contextmanager
def on_ray(
    address: str | None = None,
    *,
    cpus: int | None = None,
    threads: int = 1,
    temporary: str | None = None,
) -> Iterator[list[dict[str, Any]]]:
    """Be connected to a Ray cluster; what was joined or started here is left or ended after.

    Within a connection that exists already, it is used and left as it is.

    Args:
        address: "HOST:PORT" of a cluster's head, "auto" for the one this machine belongs to;
            None starts one here.
        cpus: that a cluster started here says it has; None: as many as there are.
        threads: of each worker, for numba and for linear algebra.
        temporary: folder for the logs and sockets of a cluster started here; None: Ray's own.

    Yields:
        what Ray says of each living node: "NodeManagerAddress", "Resources", ...

    Raises:
        MissingExtra: Ray is not installed.
        NoCluster: nothing answers at the address, with one sentence that says what to do.
        ValueError: `cpus` came with an address.
    """
    require("ray", "a run on Ray")
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    import ray

    if ray.is_initialized():
        yield living_nodes()
        return
    if address is not None and cpus is not None:
        raise ValueError(
            f"cpus={cpus} came with the address {address!r}; a cluster that runs already has the "
            "processors that it was started with, so leave cpus away"
        )
    _connect(address, cpus, threads, temporary)
    try:
        yield living_nodes()
    finally:
        ray.shutdown()


def _connect(address: str | None, cpus: int | None, threads: int, temporary: str | None) -> None:
    """Start a cluster here, or join one; NoCluster if it does not let us in."""
    import ray

    where: dict[str, Any]
    if address is None:
        where = {"address": "local", "num_cpus": cpus, "include_dashboard": False,
                 "_temp_dir": temporary}  # fmt: skip
    else:
        where = {"address": address}
        check_answers(address)
    try:
        with _loopback() if address is None else nullcontext():
            ray.init(
                runtime_env={"env_vars": threads_env(threads)},
                log_to_driver=False,
                logging_level=logging.ERROR,
                **where,
            )
    except (ConnectionError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
        if address is None:
            raise
        why = " ".join(str(error).split()).split(". ")[0].rstrip(".")
        raise no_cluster(address, f"{why}; {TOKEN}") from None


def check_answers(address: str) -> None:
    """NoCluster if "HOST:PORT" takes no calls: Ray itself would wait for minutes, then exit."""
    if address == "auto":
        return
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit():
        raise NoCluster(f"{address!r} is no address of a Ray cluster; give HOST:PORT, or auto.")
    try:
        socket.create_connection((host, int(port)), PATIENCE).close()
    except (OSError, OverflowError) as error:
        raise no_cluster(address, getattr(error, "strerror", None) or str(error)) from None


def no_cluster(address: str, why: str) -> NoCluster:
    """The sentence about a cluster that is not there."""
    return NoCluster(
        f"no Ray cluster answers at {address!r} ({why.rstrip('.')}); start one with `ray start "
        "--head`, or leave the address away to use this machine."
    )


@contextmanager
def _loopback() -> Iterator[None]:
    """Let Ray take 127.0.0.1 for this machine's name: it then listens there and nowhere else."""
    from ray._private import ray_constants

    before = ray_constants.ENABLE_RAY_CLUSTER
    ray_constants.ENABLE_RAY_CLUSTER = False
    try:
        yield
    finally:
        ray_constants.ENABLE_RAY_CLUSTER = before


def living_nodes() -> list[dict[str, Any]]:
    """What Ray says of each node that is alive."""
    import ray

    nodes: list[dict[str, Any]] = ray.nodes()  # type: ignore[no-untyped-call]
    return [node for node in nodes if node["Alive"]]
