"""Env runners that die: training finishes with all its samples, or ends with a sentence."""

import os
import signal
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("ray")

from longplay.agents.cluster import on_ray
from longplay.agents.rl import _rllib_training as training
from longplay.agents.rl.rllib import RLlibAPPOPolicy, RLlibPPOPolicy
from longplay.envs.cohort import Cohort

pytestmark = [pytest.mark.extras, pytest.mark.filterwarnings("ignore")]  # RLlib's own

BUDGET = 6_000
SMALL: dict[str, Any] = {"lanes": 16, "n_steps": 16, "net": (16,), "runners": 2}


def make(num_envs: int = 1, **asked: Any) -> Cohort:
    settings = {"scenario": "bench", "decision": "session", "horizon_days": 10.0, "threads": 1}
    return Cohort("AdLoad", num_envs, **{**settings, **asked})


def below(pid: int) -> set[int]:
    """Processes that a process started, and theirs."""
    parents = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            told = entry.read_text()
        except OSError:
            continue  # it has ended
        parents[int(entry.parent.name)] = int(told.rpartition(")")[2].split()[1])
    found, fresh = set(), {pid}
    while fresh:
        fresh = {child for child, parent in parents.items() if parent in fresh} - found
        found |= fresh
    return found


def runners() -> list[int]:
    """Env runners of this process's cluster."""
    found = []
    for pid in below(os.getpid()):
        try:
            name = Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            continue
        if name.startswith(b"ray::SingleAgentEnvRunner"):
            found.append(pid)
    return sorted(found)


class Killer:
    """Called with the decisions made so far; kills so many runners after the first ones."""

    def __init__(self, many: int) -> None:
        self.many = many
        self.killed: list[int] = []
        self.told: list[int] = []

    def __call__(self, made: int) -> None:
        self.told.append(made)
        if not self.killed:
            alive = runners()
            assert len(alive) == 2, alive
            self.killed = alive[: self.many]
            for pid in self.killed:
                os.kill(pid, signal.SIGKILL)


@pytest.fixture(scope="module")
def cluster() -> Any:
    with on_ray(cpus=2) as nodes:
        yield nodes


slow = pytest.mark.slow
linux = pytest.mark.skipif(not Path("/proc/self/stat").is_file(), reason="needs /proc")


@slow
@linux
@pytest.mark.parametrize("kind", [RLlibPPOPolicy, RLlibAPPOPolicy])
def test_with_one_of_two_runners_killed_all_samples_are_made(cluster: Any, kind: Any) -> None:
    killer = Killer(1)
    policy = kind.train(
        make, seed=0, budget_steps=BUDGET, progress=killer, patience_s=300.0, **SMALL
    )
    assert len(killer.killed) == 1
    assert killer.told == sorted(killer.told)
    assert BUDGET <= killer.told[-1] <= BUDGET + 3 * 16 * 16
    assert policy.layers[0][0].any()


@slow
@linux
def test_with_all_runners_killed_they_are_started_anew(cluster: Any) -> None:
    killer = Killer(2)
    RLlibPPOPolicy.train(
        make, seed=0, budget_steps=BUDGET, progress=killer, patience_s=300.0, **SMALL
    )
    assert len(killer.killed) == 2
    assert killer.told[-1] >= BUDGET


@slow
@linux
def test_with_all_runners_gone_for_good_it_ends_with_a_sentence(cluster: Any) -> None:
    killer = Killer(2)
    wanted = r"no samples from RLlib's env runners for \d+ s \(0 of 2 alive, [\d,]+ decisions so"
    with pytest.raises(training.NoSamples, match=wanted):
        RLlibPPOPolicy.train(
            make,
            seed=0,
            budget_steps=BUDGET,
            progress=killer,
            restarts=False,
            patience_s=6.0,
            **SMALL,
        )
    assert len(killer.killed) == 2
    assert killer.told[-1] < BUDGET


def test_more_runners_than_processors_are_refused() -> None:
    nodes = [{"Resources": {"CPU": 2.0}}, {"Resources": {"CPU": 1.0}}, {"Resources": {}}]
    training.check_room(3, nodes)
    with pytest.raises(ValueError, match=r"runners=4 need a processor each, .* cluster has 3;"):
        training.check_room(4, nodes)


def test_the_watchdog_barks_then_bites(monkeypatch: Any) -> None:
    now = [0.0]
    monkeypatch.setattr(training.time, "monotonic", lambda: now[0])
    dog = training.Watchdog(2, patience_s=60.0)
    with pytest.warns(UserWarning) as warned:
        for second in range(0, 60, 10):
            now[0] = float(second)
            dog.see(100 if second else 0, alive=0)  # something came at 10 s
        assert [str(w.message) for w in warned] == [
            "no samples from RLlib's env runners for 20 s (0 of 2 alive, 100 decisions so far); "
            "waiting 40 s more.",
            "no samples from RLlib's env runners for 40 s (0 of 2 alive, 100 decisions so far); "
            "waiting 20 s more.",
        ]
    now[0] = 69.9
    dog.see(101, alive=1)  # just in time
    now[0] = 130.0
    with pytest.raises(training.NoSamples, match="for 60 s .* training ends here: look after"):
        dog.see(101, alive=1)
