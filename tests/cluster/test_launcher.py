"""docs/cluster.yaml, as far as it can be tried without machines of one's own."""

import shlex
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.extras

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def launcher() -> dict[str, Any]:
    """The file, filled out and checked by Ray's own schema."""
    util = pytest.importorskip("ray.autoscaler._private.util")
    import yaml

    config: dict[str, Any] = util.prepare_config(
        yaml.safe_load((ROOT / "docs" / "cluster.yaml").read_text())
    )
    util.validate_config(config)
    return config


def test_two_nodes_are_wanted(launcher: dict[str, Any]) -> None:
    (kind,) = launcher["available_node_types"].values()
    assert (
        kind["min_workers"] == kind["max_workers"] == len(launcher["provider"]["worker_ips"]) == 1
    )


def test_every_node_gets_the_wheel_the_pins_and_the_token(launcher: dict[str, Any]) -> None:
    assert launcher["file_mounts"]["~/longplay/constraints.txt"] == "constraints.txt"
    assert launcher["file_mounts"]["~/longplay/dist"] == "dist"  # of `make dist`
    assert "~/.ray/auth_token" in launcher["file_mounts"]
    (install,) = (command for command in launcher["setup_commands"] if "pip install" in command)
    assert "-c constraints.txt" in install and "longplay-*.whl" in install


@pytest.mark.parametrize("role", ["head", "worker"])
def test_ray_takes_the_options(launcher: dict[str, Any], role: str) -> None:
    from ray.scripts.scripts import start

    *_, command = launcher[f"{role}_start_ray_commands"]
    settings, _, ray = command.rpartition("; ")
    assert "RAY_AUTH_MODE=token" in settings and "RAY_USAGE_STATS_ENABLED=0" in settings
    name, verb, *options = shlex.split(ray)
    given = start.make_context("ray start", options).params  # unknown options raise
    assert (name, verb) == ("ray", "start") and given["head"] == (role == "head")
    assert given["dashboard_host"] == "127.0.0.1"
    workers = range(given.pop("min_worker_port"), given.pop("max_worker_port") + 1)
    ports = [value for name, value in given.items() if name.endswith("port") and value]
    assert len(ports) == len(set(ports)) and not set(ports) & set(workers)
