"""Fusion is arithmetic over ranks: checked by hand-made lists."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.search.fusion import MANY, Ranked, counted, grouped, list_weights, ranks, reciprocal_ranks, sorting, top


def numbers(*values: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.array(values, np.int64)


def scored(
    scores: Sequence[float],
    question: Sequence[int] = (),
    corpus: Sequence[int] = (),
    text: Sequence[int] = (),
    late: Sequence[int] = (),
) -> Ranked:
    """Rows with some scores, in the order of their keys; what is not given is 0, and each text another one."""
    count = len(scores)
    none = [0] * count
    columns = (numbers(*(column or none)) for column in (question, range(count), corpus, text or range(count)))
    questions, order, corpora, texts = columns
    return Ranked(questions, np.array(scores), order, corpora, texts, numbers(*(late or none)) != 0)


def test_rows_are_grouped_by_all_their_numbers() -> None:
    leader, before = grouped(numbers(1, 0, 1, 0, 1), numbers(7, 7, 7, 8, 7))
    assert leader.tolist() == [0, 1, 0, 3, 0]
    assert before.tolist() == [0, 0, 1, 0, 2]


@given(
    st.integers(0, 2**32),
    st.lists(st.sampled_from(["few", "ascending", "shares", "digests", "flags", "gaps"]), min_size=1, max_size=4),
)
def test_many_rows_are_sorted_as_few_are(seed: int, kinds: list[str]) -> None:
    chance = np.random.default_rng(seed)
    rows = int(chance.integers(MANY + 1, 2 * MANY))
    made: dict[str, Callable[[], np.ndarray[Any, Any]]] = {
        "few": lambda: chance.integers(0, 5, rows),
        "ascending": lambda: np.sort(chance.integers(0, 256, rows)),
        "shares": lambda: -np.round(chance.random(rows), 2),
        "digests": lambda: chance.integers(-(2**63), 2**63 - 1, rows) // 10 ** int(chance.integers(0, 19)),
        "flags": lambda: chance.random(rows) < 0.5,
        "gaps": lambda: np.where(chance.random(rows) < 0.1, np.nan, chance.random(rows).round(1)),
    }
    keys = [made[kind]() for kind in kinds]
    assert sorting(*keys).tolist() == np.lexsort(keys[::-1]).tolist()


def test_flags_are_counted_for_each_question() -> None:
    flags = numbers(1, 0, 1, 1, 1, 0) != 0
    assert counted(numbers(0, 0, 0, 2, 2, 5), flags).tolist() == [1, 1, 2, 1, 2, 0]
    assert counted(numbers(), flags[:0]).tolist() == []


def test_equal_scores_are_ordered_by_corpus_and_id() -> None:
    assert ranks(numbers(0, 0, 0), np.ones(3), numbers(2, 1, 0), numbers(1, 2, 3), 3).tolist() == [3, 2, 1]


def test_depth_bounds_the_list_of_each_question() -> None:
    question, scores = numbers(0, 0, 0, 1), np.array([0.9, 0.5, 0.7, 0.1])
    assert ranks(question, scores, numbers(0, 1, 2, 0), numbers(1, 2, 3, 1), 2).tolist() == [1, 0, 2, 1]


def test_one_text_has_one_rank() -> None:
    scores = np.array([0.9, 0.8, 0.7, 0.6])
    assert ranks(numbers(0, 0, 0, 0), scores, numbers(0, 1, 2, 3), numbers(5, 6, 5, 7), 2).tolist() == [1, 2, 1, 0]


def test_reciprocal_rank_fusion_by_hand() -> None:
    scores, scored = reciprocal_ranks([(numbers(1, 2, 0, 0), 1.0), (numbers(0, 1, 2, 0), 1.0)], 60)
    assert scores.tolist() == pytest.approx([1 / 61, 1 / 62 + 1 / 61, 1 / 62, 0])
    assert scored.tolist() == [True, True, True, False]


def test_alpha_weighs_the_lists() -> None:
    assert list_weights(None) == (1.0, 1.0)
    assert list_weights(1.0) == (2.0, 0.0)
    scores, scored = reciprocal_ranks([(numbers(1, 0), 2.0), (numbers(0, 1), 0.0)], 60)
    assert (scores.tolist(), scored.tolist()) == ([pytest.approx(2 / 61), 0], [True, False])


def test_the_best_of_each_question() -> None:
    chosen = top(scored([1.0, 3.0, 2.0, 5.0, 4.0], question=[0, 0, 0, 3, 3]), 2)
    assert chosen.rows.tolist() == [1, 2, 3, 4]


def test_at_most_so_many_of_one_corpus() -> None:
    assert top(scored([3.0, 2.0, 1.0], corpus=[0, 0, 1]), 2, per_corpus=1).rows.tolist() == [0, 2]


def test_the_first_of_each_group() -> None:
    rows = scored([5.0, 4.0, 3.0, 2.0, 1.0], text=[1, 2, 1, 4, 5], question=[0, 0, 0, 0, 1])
    chosen = top(rows, 5, group=numbers(7, 7, 8, 8, 7))
    assert chosen.rows.tolist() == [0, 3, 4]  # 2 says the same as 0, so that 3 stands for its group
    assert chosen.others.tolist() == [1, 1, 0]


def test_copies_come_after_what_is_new_and_boilerplate_too() -> None:
    chosen = top(scored([5.0, 4.0, 3.0, 2.0, 1.0], text=[7, 7, 8, 7, 9], late=[0, 0, 1, 0, 0]), 5)
    assert chosen.rows.tolist() == [0, 4, 1, 2, 3]
    assert chosen.leader.tolist() == [0, 4, 0, 2, 0]
    assert chosen.copies.tolist() == [2, 0, 2, 0, 2]


@given(st.lists(st.tuples(st.integers(0, 3), st.sampled_from([0.0, 0.5, 1.0])), max_size=20))
def test_questions_together_are_answered_as_each_alone(rows: list[tuple[int, float]]) -> None:
    rows.sort(key=lambda row: row[0])
    together = scored([score for _, score in rows], question=[question for question, _ in rows])
    alone = []
    for question in range(4):
        at = np.flatnonzero(together.question == question)
        alone += at[top(Ranked._make(column[at] for column in together), 3).rows].tolist()
    assert top(together, 3).rows.tolist() == alone
