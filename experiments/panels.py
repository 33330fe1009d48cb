"""Fit what rewards read from behaviour: intent, ends of sessions, fatigue, durations.

    python -m longplay.experiments.panels            (seed 20; a minute; writes rewards/tables)

A panel of simulated people lives under random ad layouts and random slates. Their hidden intent,
fatigue and exits, which a platform would learn by asking, are read here and nowhere else. Every
fourth person is held out; the figures in the files are of these.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from longplay.envs.cohort import Cohort
from longplay.envs.state import INTENTS
from longplay.experiments.facts.prediction import auc
from longplay.rewards import behaviour
from longplay.rewards.completion import duration_table
from longplay.rewards.panels import FOLDER, POOLED
from longplay.rewards.step import Step, joined
from longplay.rewards.watching import Watcher

Floats = npt.NDArray[np.float64]
PARTS = ("state", "slots", "items")  # of a Step: what the models stand on
ENDS = ("good", "bad", "neither")
COUNTS = ("skips", "scrolls")
HELD_OUT = 4  # every fourth person
MOST_ROWS = 60_000  # of a scenario, drawn by chance
RIDGE = 1e-4  # per row, on standardised features; free choice
DIGITS = 6  # of the coefficients in the files
NOTHING = -1e9  # score of a class that does not exist


class Life(NamedTuple):
    """How a panel lives: world, decision and who fills the slates."""

    task: str
    decision: str
    settings: dict[str, Any]


LIVES = (
    Life("AdLoad", "fetch", {}),
    Life("Feed", "fetch", {"action": "slate"}),
    Life("AdLoad", "session", {}),
)
PEOPLE = {"music": 900, "shortvideo": 200, "community": 4000, "bench": 900}  # in each life
DAYS = {"music": 14.0, "shortvideo": 14.0, "community": 60.0, "bench": 14.0}


ANSWERS = ("person", "intent", "fatigue", "end", "felt", "value", "whole")


@dataclass(frozen=True)
class Panel:
    """Logs of a panel, and what it said; rows are decisions."""

    log: Step  # (n,)
    person: npt.NDArray[np.int64]
    intent: npt.NDArray[np.int64]
    fatigue: Floats  # at the end of the step
    end: npt.NDArray[np.int64]  # index into ENDS; -1 within a session
    felt: Floats  # how the session felt [0, 1]; nan within one
    value: Floats  # experienced in the step
    whole: npt.NDArray[np.bool_]  # the step is a session

    def __getitem__(self, rows: Any) -> Panel:
        parts = (getattr(self, name) for name in ANSWERS)
        return Panel(self.log[rows], *(part[rows] for part in parts))


def watch(
    life: Life, scenario: str, people: int, days: float, seed: int, parts: Sequence[str] = PARTS
) -> Panel:
    """Let a panel live under random actions, and ask it everything."""
    cohort = Cohort(
        life.task, people, scenario=scenario, decision=life.decision, horizon_days=days,
        autoreset_mode="Disabled", threads=1, **life.settings,
    )  # fmt: skip
    cohort.action_space.seed(seed)
    watcher = Watcher(cohort, parts)
    obs, _ = cohort.reset(seed=seed)
    watcher.begin(obs)
    world, users = cohort.world, cohort.users
    found = []
    while not cohort.over.all():
        intent, before = users["intent"].copy(), users["satisfaction"].copy()
        obs, _, _, _, info = cohort.step(cohort.action_space.sample())
        step, out = watcher.step(obs, info), cohort.outcomes
        ended = out["ended"] > 0
        rest = np.where(ended & np.isfinite(out["away"]), out["away"], 0.0)
        fatigue = users["fatigue"] * np.exp2(rest / world.fatigue.half_life)  # before the rest
        felt = before + (users["satisfaction"] - before) / world.satisfaction.kappa
        end = np.where(out["good_exit"] > 0, 0, np.where(out["bad_exit"] > 0, 1, 2))
        panel = Panel(
            step,
            np.arange(people),
            intent,
            fatigue,
            np.where(ended, end, -1),
            np.where(ended, felt, np.nan),
            out["value"].copy(),
            np.full(people, life.decision == "session"),
        )
        found.append(panel[np.flatnonzero(out["fetches"] > 0)])
    return together(found)


def together(panels: Sequence[Panel]) -> Panel:
    """One panel with the rows of all."""
    parts = {name: np.concatenate([getattr(p, name) for p in panels]) for name in ANSWERS}
    return Panel(joined([p.log for p in panels]), **parts)


def gather(scenario: str, share: float, seed: int) -> Panel:
    """A scenario's panel of all LIVES, at most MOST_ROWS rows; `share` of the usual people."""
    people = max(int(share * PEOPLE[scenario]), 8)
    panels = [
        watch(life, scenario, people, DAYS[scenario], seed + i) for i, life in enumerate(LIVES)
    ]
    whole = together(panels)
    rows = np.random.default_rng(seed).permutation(len(whole.log))[:MOST_ROWS]
    return whole[np.sort(rows)]


# Fitting.


def softmax_fit(x: Floats, classes: Any, number: int, weigh: Floats) -> Floats:
    """Most likely weights (f + 1, 4) of a softmax of `number` classes, rows weighed."""
    from scipy.optimize import minimize

    centre, spread = x.mean(axis=0), np.maximum(x.std(axis=0), 1e-6)
    rows = np.column_stack([(x - centre) / spread, np.ones(len(x))])
    hot = np.eye(number)[classes]
    weigh = weigh / weigh.sum()

    def loss(flat: Floats) -> tuple[float, Floats]:
        weights = flat.reshape(-1, number)
        scores = rows @ weights
        scores -= scores.max(axis=1, keepdims=True)
        log_p = scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))
        slope = rows.T @ ((np.exp(log_p) - hot) * weigh[:, None])
        slope[:-1] += RIDGE * weights[:-1]
        worth = -(weigh * (hot * log_p).sum(axis=1)).sum()
        return float(worth + 0.5 * RIDGE * (weights[:-1] ** 2).sum()), slope.ravel()

    start = np.zeros(rows.shape[1] * number)
    found = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 500}).x
    return raw(found.reshape(-1, number), centre, spread)


def linear_fit(x: Floats, y: Floats, weigh: Floats) -> Floats:
    """Least squares with a ridge, weights (f + 1, 4) of which the first column counts."""
    centre, spread = x.mean(axis=0), np.maximum(x.std(axis=0), 1e-6)
    rows = np.column_stack([(x - centre) / spread, np.ones(len(x))])
    weigh = weigh / weigh.sum()
    penalty = np.diag([RIDGE] * x.shape[1] + [0.0])
    solved = np.linalg.solve((rows * weigh[:, None]).T @ rows + penalty, rows.T @ (weigh * y))
    return raw(solved[:, None], centre, spread)


def raw(weights: Floats, centre: Floats, spread: Floats) -> Floats:
    """Weights of standardised features as weights of the features, four columns, rounded."""
    own = weights[:-1] / spread[:, None]
    start = weights[-1] - centre @ own
    out = np.zeros((len(weights), behaviour.CLASSES))
    out[:-1, : own.shape[1]] = own
    out[-1] = NOTHING
    out[-1, : own.shape[1]] = start
    return np.array([[float(f"{w:.{DIGITS}g}") for w in row] for row in out])


def judged(chances: Floats, classes: Any, base: Floats) -> dict[str, float]:
    """Accuracy and log loss [nat] on held-out rows (k, n), beside those of constant shares."""
    rows = np.arange(len(classes))
    p = np.maximum(chances[classes, rows], 1e-12)
    return {
        "accuracy": short((chances.argmax(axis=0) == classes).mean()),
        "base_accuracy": short((classes == base.argmax()).mean()),
        "log_loss": short(-np.log(p).mean()),
        "base_log_loss": short(-np.log(np.maximum(base[classes], 1e-12)).mean()),
    }


def short(figure: Any) -> float:
    """A figure to four places."""
    return round(float(figure), 4)


def shares(classes: Any, number: int) -> Floats:
    """Of the classes, in a panel."""
    found: Floats = np.bincount(classes, minlength=number) / len(classes)
    return found


def fit_intent(parts: dict[str, Panel], panel: Panel, weigh: Floats) -> dict[str, Any]:
    """P(intent | behaviour), what skips and scrolls mean by it, and how well that does."""
    x = behaviour.features(panel.log, ending=False)
    weights = softmax_fit(x, panel.intent, len(INTENTS), weigh)
    halves = {name: split(part) for name, part in parts.items()}
    told = {name: sessions_of(learnt, weights) for name, (learnt, _) in halves.items()}
    meaning = {count: meaning_of(list(told.values()), count) for count in COUNTS}
    held_out = {}
    for name, (learnt, new) in halves.items():
        base = shares(learnt.intent, len(INTENTS))
        held_out[name] = judged(behaviour.chances(new.log, weights), new.intent, base)
        asked = sessions_of(new, weights)
        for count in COUNTS:
            meant = asked[count] * (meaning[count] @ asked["chances"])
            for what, column in ((count, asked[count]), (f"{count}_given_intent", meant)):
                held_out[name][f"felt_{what}"] = correlation(column, asked["felt"])
    lists = {count: meaning[count].tolist() for count in COUNTS}
    return {"weights": weights.tolist(), **lists, "held_out": held_out}


def sessions_of(panel: Panel, weights: Floats) -> dict[str, Any]:
    """Of steps that are whole sessions: skips, scrolls, intent, P(intent) and how it felt."""
    some = panel[panel.whole & (panel.end >= 0)]
    out = some.log.outcomes
    return {
        "skips": out["skips"].astype(np.float64),
        "scrolls": (out["looked"] - out["plays"]).astype(np.float64),
        "intent": some.intent,
        "chances": behaviour.chances(some.log, weights),
        "felt": some.felt,
    }


def meaning_of(asked: Sequence[dict[str, Any]], count: str) -> Floats:
    """What one of a count takes off how a session felt, by intent; the largest is 1.

    The slope of felt on the count among sessions of an intent, as people told it; groups of people
    (scenarios) are centred and weigh alike.
    """
    along, square = np.zeros((2, len(INTENTS)))
    for group in asked:
        for z in range(len(INTENTS)):
            rows = group["intent"] == z
            if rows.any():
                x = group[count][rows] - group[count][rows].mean()
                y = group["felt"][rows] - group["felt"][rows].mean()
                along[z] -= (x @ y) / len(rows)
                square[z] += (x @ x) / len(rows)
    cost = along / np.maximum(square, 1e-12)
    rounded: Floats = np.round(cost / max(np.abs(cost).max(), 1e-12), 4) + 0.0
    return rounded


def correlation(x: Floats, y: Floats) -> float:
    """Pearson's; 0 where nothing varies."""
    return short(np.corrcoef(x, y)[0, 1]) if x.std() > 0 and y.std() > 0 else 0.0


def fit_ends(parts: dict[str, Panel], panel: Panel, weigh: Floats) -> dict[str, Any]:
    """P(good, bad, neither | behaviour at the session's end)."""
    ended = panel.end >= 0
    x = behaviour.features(panel.log[ended], ending=True)
    weights = softmax_fit(x, panel.end[ended], len(ENDS), weigh[ended])
    held_out = {}
    for name, part in parts.items():
        learnt, new = (half[half.end >= 0] for half in split(part))
        base = shares(learnt.end, len(ENDS))
        chances = behaviour.chances(new.log, weights)
        held_out[name] = judged(chances, new.end, base)
        for k, end in enumerate(ENDS):
            yes = new.end == k
            held_out[name][f"share_{end}"] = short(yes.mean())
            if 0 < yes.sum() < len(yes):
                held_out[name][f"auc_{end}"] = short(auc(chances[k], yes))
    return {"weights": weights.tolist(), "held_out": held_out}


def fit_fatigue(parts: dict[str, Panel], panel: Panel, weigh: Floats) -> dict[str, Any]:
    """Fatigue at the end of a session, linear; rows weigh by 1 / their scenario's spread."""
    ended = panel.end >= 0
    learnt = [split(part)[0] for part in parts.values()]  # whose rows are those of the panel
    spreads = [np.full(len(p.end), p.fatigue[p.end >= 0].std()) for p in learnt]
    weigh = weigh / np.concatenate(spreads)
    x = behaviour.features(panel.log[ended], ending=False)
    weights = linear_fit(x, panel.fatigue[ended], weigh[ended])
    held_out = {}
    for name, part in parts.items():
        _, new = split(part)
        new = new[new.end >= 0]
        error = behaviour.scores(new.log, weights)[0] - new.fatigue
        spread = float(new.fatigue.std())
        held_out[name] = {"r2": short(1.0 - (error**2).mean() / spread**2), "sd": short(spread)}
    return {"weights": weights.tolist(), "held_out": held_out}


def split(panel: Panel) -> tuple[Panel, Panel]:
    """Those to learn from, and those held out."""
    out = panel.person % HELD_OUT == 0
    return panel[~out], panel[out]


FITS = {"intent": fit_intent, "endings": fit_ends, "fatigue": fit_fatigue}
ABOUT: dict[str, dict[str, Any]] = {
    "intent": {"features": behaviour.SESSION, "classes": INTENTS},
    "endings": {"features": behaviour.SESSION + behaviour.ENDING, "classes": ENDS},
    "fatigue": {"features": behaviour.SESSION, "classes": ["fatigue"]},
    "durations": {},
}


def fitted(panels: dict[str, Panel]) -> dict[str, Any]:
    """All models, by panel: one of each scenario, and the pooled one."""
    learnt = {name: split(panel)[0] for name, panel in panels.items()}
    pool = together(list(learnt.values()))
    even = np.concatenate([np.full(len(p.person), 1.0 / len(p.person)) for p in learnt.values()])
    models: dict[str, Any] = {model: {} for model in ABOUT}
    for model, fit in FITS.items():
        models[model][POOLED] = fit(panels, pool, even)
        for name, panel in learnt.items():
            models[model][name] = fit({name: panels[name]}, panel, np.ones(len(panel.person)))
    models["durations"][POOLED] = duration_table(
        [panel.log for panel in learnt.values()]
    ).to_lists()
    for name, panel in learnt.items():
        models["durations"][name] = duration_table([panel.log]).to_lists()
    return models


def write(models: dict[str, Any], seed: int, folder: Path) -> None:
    """One JSON file a model."""
    for model, panels in models.items():
        data = {"command": f"python -m longplay.experiments.panels --seed {seed}"}
        text = json.dumps(data | ABOUT[model] | {"panels": panels}, indent=1)
        text = re.sub(r"\[[^\[\]{}]*\]", lambda list_: " ".join(list_[0].split()), text)
        (folder / f"{model}.json").write_text(text + "\n", encoding="utf-8")


def told(models: dict[str, Any]) -> Iterable[str]:
    """Lines that say how well the models do on people held out."""
    for model in FITS:
        for panel, found in models[model].items():
            for scenario, figures in found["held_out"].items():
                numbers = "  ".join(f"{k} {v:.3f}" for k, v in figures.items())
                yield f"{model:<8} {panel:<10} in {scenario:<10} {numbers}"


def main(arguments: Sequence[str] | None = None) -> None:
    """Gather, fit, print and write."""
    parser = argparse.ArgumentParser(
        prog="python -m longplay.experiments.panels", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--seed", type=int, default=20)
    parser.add_argument("--share", type=float, default=1.0, help="of the usual number of people")
    parser.add_argument("--out", type=Path, default=FOLDER, metavar="FOLDER")
    options = parser.parse_args(arguments)
    if not options.out.is_dir():
        parser.error(f"--out {options.out}: there is no such folder; make it.")
    panels = {name: gather(name, options.share, options.seed) for name in PEOPLE}
    models = fitted(panels)
    for line in told(models):
        print(line, flush=True)
    write(models, options.seed, options.out)


if __name__ == "__main__":
    main()
