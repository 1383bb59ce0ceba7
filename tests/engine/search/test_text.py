"""Full text: stemming, statistics over several segments, filters."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from engine.search.text import Statistics, TextIndex, heaviest, terms, write


def index(folder: Path, contents: list[str]) -> TextIndex:
    write(folder, contents)
    return TextIndex(folder)


def best(
    opened: TextIndex, question: list[str], k: int, statistics: Statistics, allowed: NDArray[np.bool_] | None = None
) -> tuple[list[int], list[float]]:
    rows, scores = opened.searching(allowed).best(heaviest(question, statistics), k)
    return rows.tolist(), scores.tolist()


def test_terms_are_stemmed_and_stop_words_left_out() -> None:
    assert terms("The Welders are welding!") == ["welder", "weld"]


def test_one_index_scores_as_two_of_the_same_documents_do(tmp_path: Path) -> None:
    contents = ["night shift forklift", "forklift in the cold", "crane operator at night", "forklift crane cold"]
    whole = index(tmp_path / "whole", contents)
    halves = [index(tmp_path / "a", contents[:2]), index(tmp_path / "b", contents[2:])]
    question = terms("cold forklift")
    alone, shared = Statistics(), Statistics()
    whole.count(question, alone)
    for half in halves:
        half.count(question, shared)
    assert (alone.documents, alone.frequency) == (shared.documents, shared.frequency)
    expected = dict(zip(*best(whole, question, 10, alone), strict=True))
    for offset, half in ((0, halves[0]), (2, halves[1])):
        for row, score in zip(*best(half, question, 10, shared), strict=True):
            # all halves have the same mean length, so that only the frequencies could differ
            assert score == pytest.approx(expected[row + offset], rel=0.15)
    assert shared.idf("forklift") == pytest.approx(alone.idf("forklift"))


def test_a_filter_holds_before_the_top_k(tmp_path: Path) -> None:
    opened = index(tmp_path / "i", ["forklift " * (20 - n) + "night " * n for n in range(20)])
    statistics = Statistics()
    opened.count(["forklift"], statistics)
    allowed = np.zeros(20, np.bool_)
    allowed[[3, 17]] = True
    assert best(opened, ["forklift"], 1, statistics)[0] == [0]
    assert best(opened, ["forklift"], 1, statistics, allowed)[0] == [3]
    assert best(opened, ["forklift"], 5, statistics, np.zeros(20, np.bool_))[0] == []


def test_a_question_of_unknown_words_finds_nothing(tmp_path: Path) -> None:
    opened = index(tmp_path / "i", ["forklift"])
    assert best(opened, terms("zebra"), 5, Statistics())[0] == []
