"""Public logs, as figures: how the project's target figures were made, for whoever has the files.

    python -m longplay.experiments.fitting.readers FOLDER

reads, where they lie in FOLDER, KuaiRand's impressions and the contributions to Stack Exchange
sites (as Parquet; see each reader), and writes their figures over ``targets/shortvideo.json`` and
``targets/community.json``. The files are not part of the project; their figures are. Which of the
figures are fitted, and why some are missed, is kept from the file that was there.
"""

from __future__ import annotations

import argparse
import json
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from longplay.experiments.fitting import impressions, newcomers
from longplay.experiments.fitting.impressions import Impressions
from longplay.experiments.fitting.newcomers import Events
from longplay.experiments.fitting.playlog import Figures

if TYPE_CHECKING:
    import polars

KUAIRAND = "kuairand_pure_0425_0430.parquet"
LIKED_HATED = "kuairand27k_like_hate_subset.parquet"
STACKEXCHANGE = "stackexchange_events.parquet"


def read_kuairand(path: Path, tab: int = 1) -> Impressions:
    """Impressions of one tab of the KuaiRand app; exact duplicates and videos of no length go.

    Columns: tab, play_time_ms, duration_ms, is_like, is_follow (read as a save), is_forward (as a
    share), is_hate (as a hide). Tab 1 is the main feed, where videos play by themselves.
    """
    import polars as pl

    log = pl.read_parquet(path).unique()
    return _impressions(log.filter((pl.col("tab") == tab) & (pl.col("duration_ms") > 0)))


def read_liked_hated(path: Path) -> Impressions:
    """The liked (label 1) and hated (0) impressions of selected KuaiRand-27K users."""
    import polars as pl

    log = pl.read_parquet(path).filter(pl.col("duration_ms") > 0)
    return _impressions(
        log.with_columns(is_like=pl.col("label") == 1, is_hate=pl.col("label") == 0)
    )


def _impressions(log: polars.DataFrame) -> Impressions:
    seconds, length = (log[name].to_numpy() / 1000.0 for name in ("play_time_ms", "duration_ms"))
    names = ("is_like", "is_follow", "is_forward", "is_hate")
    return Impressions(seconds, length, *(log[name].to_numpy() == 1 for name in names))


def read_stackexchange(path: Path, sites: set[str] | None = None) -> Events:
    """Contributions of new users of Stack Exchange sites, each site's first 180 days.

    Columns: site, u (user), time_ms. A user is watched until the site's last event.
    """
    import polars as pl

    log = pl.read_parquet(path)
    if sites is not None:
        log = log.filter(pl.col("site").is_in(list(sites)))
    ends = log.group_by("site").agg(end=pl.col("time_ms").max())
    log = log.join(ends, on="site").sort("site", "u", "time_ms")
    _, number = np.unique(
        log.select("site", "u").to_numpy().astype(str), axis=0, return_inverse=True
    )
    until = np.zeros(int(number.max()) + 1)
    until[number] = log["end"].to_numpy() / 3.6e6
    return Events(number.astype(np.int64), log["time_ms"].to_numpy() / 3.6e6, until)


def sites_of(path: Path) -> list[str]:
    """The sites of a file of contributions."""
    import polars as pl

    return sorted(pl.read_parquet(path, columns=["site"])["site"].unique().to_list())


def shortvideo_figures(folder: Path) -> Figures:
    """The figures of `shortvideo`: of the main feed, and of the liked and the hated."""
    feed = impressions.figures(read_kuairand(folder / KUAIRAND))
    acts = impressions.figures(read_liked_hated(folder / LIKED_HATED))
    for name in list(feed.scalars):
        if name.startswith(("liked", "hated")):
            feed.scalars[name] = acts.scalars[name]
    for name in ("liked", "hated"):
        feed.counts[name] = acts.counts[name]
    return feed


def community_figures(folder: Path, sites: set[str] | None = None) -> Figures:
    """The figures of `community`, of all sites or some."""
    return newcomers.figures(read_stackexchange(folder / STACKEXCHANGE, sites))


def targets_folder() -> Path:
    """Where the project's target figures lie."""
    return Path(str(resources.files("longplay.experiments.fitting"))) / "targets"


def update(name: str, found: dict[str, Any]) -> None:
    """Write these parts over those of a targets file; the others stay."""
    path = targets_folder() / f"{name}.json"
    page = json.loads(path.read_text(encoding="utf-8")) | found
    path.write_text(json.dumps(page, indent=2) + "\n", encoding="utf-8")
    print(f"written: {path}")


def rounded(scalars: dict[str, float]) -> dict[str, float]:
    """To six digits."""
    return {name: float(f"{value:.6g}") for name, value in scalars.items()}


def main(arguments: list[str] | None = None) -> None:
    """Read what is there; write its figures."""
    parser = argparse.ArgumentParser(description="Figures of public logs.")
    parser.add_argument("folder", type=Path, help="where the Parquet files lie")
    folder = parser.parse_args(arguments).folder
    if (folder / KUAIRAND).exists() and (folder / LIKED_HATED).exists():
        found = shortvideo_figures(folder)
        update(
            "shortvideo",
            {
                "scalars": rounded(found.scalars),
                "profiles": {name: part.round(5).tolist() for name, part in found.profiles.items()},
                "counts": found.counts,
            },
        )
    if (folder / STACKEXCHANGE).exists():
        every = set(sites_of(folder / STACKEXCHANGE))
        found = community_figures(folder)
        left_out = {
            site: {
                "without": rounded(community_figures(folder, every - {site}).scalars),
                "alone": rounded(community_figures(folder, {site}).scalars),
                "users": community_figures(folder, {site}).users,
            }
            for site in sorted(every)
        }
        watched = read_stackexchange(folder / STACKEXCHANGE)
        birth = np.full(len(watched.until), np.inf)
        np.minimum.at(birth, watched.user, watched.time)
        spans = np.quantile((watched.until - birth) / 24.0, np.linspace(0.0, 1.0, 101))
        update(
            "community",
            {
                "users": found.users,
                "scalars": rounded(found.scalars),
                "counts": found.counts,
                "watched_days": [round(float(day), 3) for day in spans],
                "sites": left_out,
            },
        )


if __name__ == "__main__":
    main()
