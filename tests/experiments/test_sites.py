"""Leave one site out: the distance by hand, and that fitting helps on a site left out."""

import json
import math
from pathlib import Path

import pytest
from pytest import approx

from longplay.envs.scenarios import find_world
from longplay.experiments.fitting.readers import targets_folder
from longplay.experiments.fitting.realism import read_targets
from longplay.experiments.studies.sites import JUDGED, distance, page, untouched

PAGE = Path(__file__).parents[2] / "docs" / "sites.md"


def test_distance_is_the_median_of_the_logs():
    real = dict.fromkeys(JUDGED, 1.0)
    predicted = {name: math.exp(0.1 * k) for k, name in enumerate(JUDGED)}
    assert distance(predicted, real) == approx(0.1 * (len(JUDGED) - 1) / 2)
    assert distance(dict.fromkeys(JUDGED, 0.0), real) == 1.0
    assert distance(dict.fromkeys(JUDGED, 0.5), real) == approx(math.log(2.0))


def test_the_targets_know_every_judged_figure_of_every_site():
    sites = json.loads((targets_folder() / "community.json").read_text())["sites"]
    assert len(sites) == 10
    for site in sites.values():
        assert set(JUDGED) <= set(site["alone"]) & set(site["without"])
    assert set(JUDGED) <= set(read_targets("community").scalars)


def test_untouched_keeps_what_a_visit_is_and_nothing_of_the_fit():
    world = find_world("community")
    plain = untouched(world)
    assert plain.leaving == world.leaving
    assert plain.population.youth == 0.0
    assert plain.returning != world.returning
    assert plain.churn != world.churn


def test_the_page_gives_factors():
    row = {"users": 3, "fitted": math.log(1.2), "others": math.log(1.1), "default": math.log(2.0)}
    text = page({"a": row, "b": row})
    assert "| a | 3 | 1.20 | 1.10 | 2.00 |" in text
    assert "| **mean** | | **1.20** | **1.10** | **2.00** |" in text


@pytest.mark.parametrize("word", ["fitted to the others", "**mean**"])
def test_the_page_in_the_docs_is_of_this_study(word):
    assert word in PAGE.read_text(encoding="utf-8")
