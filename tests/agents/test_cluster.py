"""Joining Ray: what is started here stays on this machine, and a wrong address is said at once."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from longplay.agents.cluster import NoCluster, check_answers, on_ray, threads_env

pytestmark = pytest.mark.extras


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.parametrize("address", ["nowhere", "127.0.0.1:", ":6379", "host:port", "127.0.0.1:-1"])
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(NoCluster, match="give HOST:PORT, or auto"):
        check_answers(address)


def test_where_nobody_listens_is_said_at_once() -> None:
    address = f"127.0.0.1:{free_port()}"
    wanted = f"no Ray cluster answers at '{address}'"
    with pytest.raises(NoCluster, match=wanted), on_ray(address):
        pass


def test_processors_of_a_running_cluster_are_not_ours_to_choose() -> None:
    with pytest.raises(ValueError, match="cpus=2 came with the address"), on_ray("auto", cpus=2):
        pass


def test_threads_are_limited_for_every_library() -> None:
    assert threads_env(3)["NUMBA_NUM_THREADS"] == threads_env(3)["OMP_NUM_THREADS"] == "3"


def test_what_a_job_said_of_its_threads_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    said = {"runtime_env": {"env_vars": {"OMP_NUM_THREADS": "2"}}, "metadata": {}}
    monkeypatch.setenv("RAY_JOB_CONFIG_JSON_ENV_VAR", json.dumps(said))
    assert "OMP_NUM_THREADS" not in threads_env(3)
    assert threads_env(3)["NUMBA_NUM_THREADS"] == "3"


def test_a_token_that_is_missing_is_said_at_once(tmp_path: Path) -> None:
    program = """
import socket
from longplay.agents.cluster import NoCluster, on_ray
with socket.socket() as head:
    head.bind(("127.0.0.1", 0))
    head.listen()
    try:
        with on_ray(f"127.0.0.1:{head.getsockname()[1]}"):
            pass
    except NoCluster as error:
        print(error)
"""
    own = os.environ | {"HOME": str(tmp_path), "RAY_AUTH_MODE": "token"}
    own.pop("RAY_AUTH_TOKEN", None)
    own.pop("RAY_AUTH_TOKEN_PATH", None)
    done = subprocess.run([sys.executable, "-c", program], env=own, capture_output=True, text=True)
    assert "if it has a token" in done.stdout and "~/.ray/auth_token" in done.stdout, done.stderr
    assert not list(tmp_path.iterdir())  # none was made, either


def hosts_at(ports: set[int]) -> set[str]:
    """Addresses at which somebody listens on one of the ports, as /proc/net has them."""
    found = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            _, local, _, state, *_ = line.split()
            host, _, port = local.partition(":")
            if state == "0A" and int(port, 16) in ports:
                found.add(host)
    return found


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/net/tcp").is_file(), reason="needs /proc to see who listens")
def test_a_cluster_of_ones_own_listens_on_loopback_only(tmp_path: Path) -> None:
    with on_ray(cpus=1, threads=1) as nodes:
        import ray

        @ray.remote
        def seen() -> tuple[int, str]:
            import os

            import numba

            from longplay.envs.cohort import Cohort

            Cohort("AdLoad", 1, scenario="bench")
            return numba.config.NUMBA_NUM_THREADS, os.environ["OMP_NUM_THREADS"]

        assert ray.get(seen.remote()) == (1, "1")
        assert [node["NodeManagerAddress"] for node in nodes] == ["127.0.0.1"]
        head = int(ray.get_runtime_context().gcs_address.rpartition(":")[2])
        hosts = hosts_at({head, nodes[0]["NodeManagerPort"], nodes[0]["ObjectManagerPort"]})
        loopback = {"0100007F", "0000000000000000FFFF00000100007F"}
        assert hosts and hosts <= loopback
        with on_ray() as same:  # within a connection: the same one, and it stays
            assert [n["NodeID"] for n in same] == [n["NodeID"] for n in nodes]
        assert ray.is_initialized()
    assert not ray.is_initialized()
