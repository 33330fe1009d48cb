"""Last observations of lives that ended: one by one as Gymnasium has them, and as a batch."""

import numpy as np

from longplay.envs.lanes import last_seen, seen_after

NOW = np.array([[1.0], [2.0], [3.0]])


def test_a_life_that_ended_is_told_where_it_ended() -> None:
    final = last_seen(3, [(np.array([2]), np.array([[30.0]])), (np.array([0]), np.array([[10.0]]))])
    assert final[1] is None
    assert (final[0].tolist(), final[2].tolist()) == ([10.0], [30.0])
    info = {"final_obs": final, "_final_obs": np.array([True, False, True])}
    assert seen_after(NOW, info).tolist() == [[10.0], [2.0], [30.0]]
    assert NOW.tolist() == [[1.0], [2.0], [3.0]]


def test_parts_of_an_observation_stay_together() -> None:
    final = last_seen(3, [(np.array([1]), {"a": np.array([[7.0]]), "b": np.array([8])})])
    assert final[0] is None and final[2] is None
    assert (final[1]["a"].tolist(), final[1]["b"]) == ([7.0], 8)
    seen = {"a": NOW, "b": np.array([4, 5, 6])}
    told = seen_after(seen, {"final_obs": final, "_final_obs": np.array([False, True, False])})
    assert (told["a"].tolist(), told["b"].tolist()) == ([[1.0], [7.0], [3.0]], [4, 8, 6])
    assert seen["b"].tolist() == [4, 5, 6]


def test_where_no_life_ended_nothing_is_copied() -> None:
    assert seen_after(NOW, {}) is NOW
