"""The study of surrogates: its law, its arithmetic, a small run; and effects of A/B tests."""

import json
import math
import re
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import ttest_ind, ttest_rel

from longplay.envs.laws.churn import Churn
from longplay.envs.laws.churn import p_gone as usual_p_gone
from longplay.experiments.abtest import abtest
from longplay.experiments.studies.surrogacy import (
    LIMIT,
    Settings,
    figure,
    judged,
    live,
    p_gone,
    page,
    relative_sd,
    study,
    worlds,
)
from longplay.experiments.surrogates import calibration_figure, effect
from longplay.rewards import ActiveDay, Minutes, SurrogateIndex

pytestmark = pytest.mark.extras
DOCS = Path(__file__).parents[2] / "docs"


def test_the_hidden_path_by_hand():
    p = Churn(period=30.0, ads=0.3)
    # S = 0.5, H = 0: 0.4 exp(-0.75) + 0.3 * 1 = 0.488947 in a period; half of one: 1 - sqrt(1 - p)
    gone = p_gone(0.4, 0.5, 0.0, LIMIT + 1.0, 2.0, 15.0, p)
    assert gone == pytest.approx(1 - math.sqrt(1 - (0.4 * math.exp(-0.75) + 0.3)), abs=1e-12)
    below = p_gone(0.4, 0.5, 0.3, LIMIT, 2.0, 15.0, p)
    assert below == pytest.approx(usual_p_gone(0.4, 0.5, 0.3, 9.0, 2.0, 15.0, Churn(30.0, ads=0.0)))


def test_percent_and_noise_by_hand():
    # control: 2 and 4 over 1 and 1, treated: 1 and 2: -50 %; the truth: -25 %
    control = {"truth": np.array([[4.0, 1.0], [2.0, 1.0]]), "x": np.array([[2.0, 1], [4.0, 1]])}
    treated = {"truth": np.array([[3.0, 1.0], [1.5, 1.0]]), "x": np.array([[1.0, 1], [2.0, 1]])}
    told = judged(control, treated)
    assert told["truth"].effect.mean == pytest.approx(-25.0)
    assert told["x"].effect.mean == pytest.approx(-50.0)
    assert told["x"].told.mean == pytest.approx(2.0)
    assert told["x"].wrong < 1e-6 and told["x"].found > 0.999
    assert relative_sd(control["x"]) == pytest.approx(math.sqrt(2.0) / 3.0)
    # a ratio whose parts move together has no noise
    assert relative_sd(np.array([[2.0, 1.0], [4.0, 2.0]])) == pytest.approx(0.0, abs=1e-12)


def test_the_control_is_the_same_in_both_worlds():
    logs = [live(world, 150, 0, 1, 0.2).outcomes for world in worlds().values()]
    for name in ("clock", "minutes", "away"):
        assert np.array_equal(logs[0][name], logs[1][name])


def test_a_small_study_finds_that_indices_are_fooled():
    size = Settings(people=400, logged=400)
    found, reports = study(size)
    name = "index, ridge, 14 days"
    assert found["hidden"]["truth"].effect.high < found["seen"]["truth"].effect.low < 0
    assert found["hidden"][name].told.high < 0.7
    assert found["hidden"][name].told.mean < found["seen"][name].told.mean / 1.5
    text = page(found, reports, size)
    assert text.count("| truth |") == 2 and "nan" not in text
    picture = figure(found)
    assert picture.startswith("<svg") and picture.count("<circle") == 2 * len(found["seen"])


def test_the_page_of_the_docs_is_of_todays_surrogates():
    text = (DOCS / "surrogacy.md").read_text()
    for name in ("surrogacy.svg", "surrogacy-calibration.svg"):
        assert f"({name})" in text and (DOCS / name).exists()
    assert text.count("| truth |") == 2


def test_effects_of_tests():
    rng = np.random.default_rng(0)
    users, base = np.arange(500), rng.normal(10.0, 5.0, 500)
    gain = rng.normal(0.5, 1.0, 500)
    same = effect((users, base + gain), (users, base))
    wanted = ttest_rel(base + gain, base).confidence_interval(0.95)
    assert same.effect == pytest.approx(gain.mean())
    assert (same.low, same.high) == pytest.approx((wanted.low, wanted.high))
    others = rng.normal(9.0, 3.0, 40)
    found = effect((users, base), (np.arange(1000, 1040), others))
    wanted = ttest_ind(base, others, equal_var=False).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((wanted.low, wanted.high))
    with pytest.raises(ValueError, match="the logs share 499 of 500 and 500 people"):
        effect((users, base), (users + 1, base))
    with pytest.raises(ValueError, match="arms of 1 and 500 users"):
        effect((users[:1], base[:1]), (users + 1000, base))


def test_a_linear_index_is_an_ab_test_of_its_own():
    control, treated = (live(worlds()["seen"], 300, 0, 1, share) for share in (0.2, 1.0))
    others = live(worlds()["seen"], 300, 1000, 1, 0.2)
    index = SurrogateIndex.fit(others, [Minutes(), ActiveDay()], ActiveDay(), days=14)
    asked = abtest(index, control, treated).total
    found = effect(index.score(treated), index.score(control))
    assert (found.effect, found.low) == pytest.approx((asked.effect, asked.low))
    assert found.high < 0


def test_calibration_is_drawn():
    log = live(worlds()["seen"], 300, 0, 1, 0.2)
    index = SurrogateIndex.fit(log, [Minutes(), ActiveDay()], ActiveDay(), days=14)
    kept = json.loads(json.dumps(index.report))
    picture = calibration_figure(kept, "active days")
    assert picture.count("<circle") == 11  # ten tenths, and one in the legend
    assert f"explains {100 * index.report['r2']:.0f} %" in picture


def test_the_example_of_the_docs_runs(capsys):
    (block,) = re.findall(r"```python\n(.*?)```", (DOCS / "surrogates.md").read_text(), flags=re.S)
    space = {"__name__": "surrogates"}
    exec(compile(block, "surrogates.md", "exec"), space)
    assert "out of fold" in capsys.readouterr().out
    for env in (space["env"], space["paid"]):
        env.reset(seed=1)
        reward = env.step(np.full(400, 3))[1]
        assert reward.shape == (400,) and np.isfinite(reward).all() and np.abs(reward).max() > 0
