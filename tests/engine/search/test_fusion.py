"""Fusion is arithmetic over ranks: checked by hand-made lists."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.search.fusion import Key, list_weights, ranked, reciprocal_ranks, top

A, B, C = Key("x", "a"), Key("x", "b"), Key("y", "a")


def test_equal_scores_are_ordered_by_corpus_and_id() -> None:
    assert ranked({C: 1.0, B: 1.0, A: 1.0}, 3) == {A: 1, B: 2, C: 3}


def test_depth_bounds_a_list() -> None:
    assert ranked({A: 0.9, B: 0.5, C: 0.7}, 2) == {A: 1, C: 2}


def test_reciprocal_rank_fusion_by_hand() -> None:
    fused = reciprocal_ranks([({A: 1, B: 2}, 1.0), ({B: 1, C: 2}, 1.0)], 60)
    assert fused == pytest.approx({A: 1 / 61, B: 1 / 62 + 1 / 61, C: 1 / 62})


def test_alpha_weighs_the_lists() -> None:
    assert list_weights(None) == (1.0, 1.0)
    assert list_weights(1.0) == (2.0, 0.0)
    assert reciprocal_ranks([({A: 1}, 2.0), ({B: 1}, 0.0)], 60) == pytest.approx({A: 2 / 61})


def test_at_most_so_many_of_one_corpus() -> None:
    assert top({A: 3.0, B: 2.0, C: 1.0}, 2, per_corpus=1) == [A, C]


@given(st.dictionaries(st.builds(Key, st.sampled_from("xyz"), st.text(max_size=3)), st.floats(0, 1), max_size=20))
def test_order_does_not_depend_on_the_order_of_arrival(scores: dict[Key, float]) -> None:
    assert top(scores, 10) == top(dict(reversed(list(scores.items()))), 10)
