"""Figures of an impression log: what is done with a video in the moment it is shown.

One row an impression: seconds watched, seconds long, and which acts followed. A log of impressions
that is a sample of all (KuaiRand-Pure keeps those of 7,583 videos) tells nothing about sessions or
returns, and none of these figures does.

- *glance*: watched for under 3 seconds; *whole*: watched for as long as the video is;
- bands of duration (3, 7], (7, 15], (15, 30], ... [s]; in each the shares of glances and of whole
  views, and the median seconds watched;
- the share of impressions in each band, as a profile;
- act rates: acts over impressions; of the impressions liked and those hated (asked not to see
  again) the shares of glances and whole views, and the median seconds.

The same code reads a log and simulated lives.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from longplay.envs.cohort import Cohort
from longplay.envs.scenarios import World
from longplay.experiments.fitting.playlog import Figures, Floats

GLANCE = 3.0  # [s]
BANDS = (7.0, 15.0, 30.0, 60.0, 120.0, 300.0)  # inner edges of the bands of duration [s]
ACTS = ("like", "save", "share", "hide")
QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9)
ROUNDING = 0.999  # a video counts as whole from here: logs round to milliseconds

Bools = npt.NDArray[np.bool_]


class Impressions(NamedTuple):
    """An impression log, one row an impression, in any order; all columns (n,)."""

    seconds: Floats  # watched [s]
    length: Floats  # of the video [s], above 0
    like: Bools
    save: Bools  # kept for later: a save, or following its maker
    share: Bools
    hide: Bools


def band_name(band: int) -> str:
    """The name of a duration band: its edges, as in "7-15s"."""
    edges = ("0", *(f"{edge:g}" for edge in BANDS), "")
    return f"{edges[band]}-{edges[band + 1]}s"


def figures(log: Impressions) -> Figures:
    """The figures of an impression log; see the top of this file.

    Raises:
        ValueError: the columns differ in length, hold nothing, or a duration is not above 0.
    """
    shapes = {np.shape(column) for column in log}
    if len(shapes) != 1 or np.ndim(log.seconds) != 1 or len(log.seconds) == 0:
        raise ValueError(f"An impression log of shapes {shapes}; wanted columns of one length.")
    if not (np.isfinite(log.seconds).all() and (log.seconds >= 0.0).all()):
        raise ValueError("An impression log with seconds that are negative or no numbers.")
    if not (np.isfinite(log.length).all() and (log.length > 0.0).all()):
        raise ValueError("An impression log with videos of no length; drop these rows.")
    glance = log.seconds < GLANCE
    whole = log.seconds >= ROUNDING * log.length
    scalars: dict[str, float] = {"glance": float(glance.mean()), "whole": float(whole.mean())}
    counts: dict[str, int] = {}
    for q in QUANTILES:
        scalars[f"seconds.p{100 * q:.0f}"] = float(np.quantile(log.seconds, q))
    groups: list[tuple[str, Bools]] = []
    band = np.searchsorted(BANDS, log.length)
    groups += [(f"band.{band_name(b)}", band == b) for b in range(len(BANDS) + 1)]
    groups += [("liked", log.like), ("hated", log.hide)]
    for name, among in groups:
        counts[name] = int(among.sum())
        scalars[f"{name}.glance"] = _mean(glance[among])
        scalars[f"{name}.whole"] = _mean(whole[among])
        seconds = log.seconds[among]
        scalars[f"{name}.seconds"] = float(np.median(seconds)) if seconds.size else np.nan
    bands = np.bincount(band, minlength=len(BANDS) + 1) / band.size
    for act in ACTS:
        scalars[f"rate.{act}"] = float(getattr(log, act).mean())
    return Figures(0, len(log.seconds), 0, scalars, {"bands": bands}, counts)


def _mean(cases: Bools) -> float:
    return float(cases.mean()) if cases.size else np.nan


def simulate(
    world: World | str,
    users: int = 3000,
    steps: int = 30,
    seed: int = 0,
    first_user: int = 0,
    threads: int | None = None,
) -> Impressions:
    """The impressions of simulated people, ad-free, ranked by production: ``steps`` fetches each.

    An impression is a video that came to the eye: it was started, or passed over unplayed (0 s).
    """
    cohort = Cohort(
        "AdLoad",
        users,
        scenario=world,
        autoreset_mode="DISABLED",
        first_user=first_user,
        threads=threads,
    )
    cohort.reset(seed=seed)
    no_ads = np.zeros(users, np.int64)
    parts: list[tuple[npt.NDArray[np.generic], ...]] = []
    for _ in range(steps):
        cohort.step(no_ads)
        slots = cohort.slots
        met = (cohort.outcomes["fetches"] > 0)[:, None] & (slots["seen"] == 1)
        met &= slots["shows"] >= 0
        at = slots[met]
        length = cohort.shop.items["minutes"][at["shows"]] * 60.0
        parts.append(
            (60.0 * at["minutes"], length, at["liked"], at["saved"], at["shared"], at["hid"])
        )
    seconds, length, *acts = (np.concatenate(column) for column in zip(*parts, strict=True))
    return Impressions(
        seconds.astype(np.float64), length.astype(np.float64), *(act == 1 for act in acts)
    )
