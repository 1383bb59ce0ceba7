"""Fusion: pure functions over ranked lists. One fusion over all corpora, never one per corpus.

Dense lists of several corpora are merged by raw cosine (same model), BM25 lists by a score with global statistics; then
one reciprocal rank fusion joins the two (Cormack, Clarke, Büttcher 2009: score = Σ weight / (k + rank)).

Lists of many questions are flat: an array for each fact, one row for each document that a question found. What tells
questions and texts apart are numbers; `order` rises with (corpus, id), so that equal scores have one order.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.int64]
Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
MANY = 2048  # rows from which on one sort of a number costs less than several
SPARSE = 64  # times the rows up to which a key is a part of that number as it is
LARGEST = 2**62


class Key(NamedTuple):
    """A document by its corpus and id; keys sort as results with equal scores do."""

    corpus: str
    id: str


def sorting(*keys: Rows | Floats | Mask) -> Rows:
    """The rows in the order of some keys, the first counts most; equal rows stay in their order.

    Many are sorted once, by one number made of all keys: `numpy.lexsort` sorts once for each key, and more slowly.
    """
    rows = len(keys[0])
    numbers = _one_number(keys) if rows > MANY else None
    found: Rows = np.lexsort(keys[::-1]) if numbers is None else np.argsort(numbers)
    return found


def _one_number(keys: Sequence[Rows | Floats | Mask]) -> Rows | None:
    """A number for each row that rises with the keys, then with the row; None where it would be too large."""
    rows = len(keys[0])
    found, room = np.zeros(rows, np.int64), LARGEST // rows
    for key in keys:
        part: NDArray[Any] = key
        if key.dtype.kind == "f" or int(key.min()) < 0 or int(key.max()) >= SPARSE * rows:
            _, part = np.unique(key, return_inverse=True)
        count = int(part.max()) + 1
        room //= count
        if not room:
            return None
        found = found * count + part
    return found * rows + np.arange(rows)


def starts(numbers: Rows) -> Rows:
    """Where runs of equal numbers begin."""
    return _begins(numbers).nonzero()[0]


def _begins(*numbers: Rows) -> Mask:
    """Whether each row differs from the one before it."""
    found = np.zeros(len(numbers[0]), np.bool_)
    found[:1] = True
    for column in numbers:
        found[1:] |= column[1:] != column[:-1]
    return found


def grouped(*numbers: Rows) -> tuple[Rows, Rows]:
    """For each row the position of the first row with the same numbers, and how many of these stand before it."""
    order = sorting(*numbers)
    begins = _begins(*(column[order] for column in numbers))
    first = begins.nonzero()[0]
    group = begins.cumsum() - 1
    leader, before = np.empty_like(order), np.empty_like(order)
    leader[order] = order[first][group]
    before[order] = np.arange(len(order)) - first[group]
    return leader, before


def counted(question: Rows, flags: Mask) -> Rows:
    """For each row how many flags its question has up to it, itself included; the rows of a question stand together."""
    running: Rows = flags.cumsum()
    if not len(question) or question[0] == question[-1]:  # one question
        return running
    begins = _begins(question)
    first = begins.nonzero()[0]
    found: Rows = running - (running - flags)[first][begins.cumsum() - 1]
    return found


def ranks(question: Rows, scores: Floats, order: Rows, texts: Rows, depth: int) -> Rows:
    """Rank (1 = best) of the `depth` best texts of each question, 0 for others; rows with one text share a rank."""
    if not len(question):
        return question
    at = sorting(question, -scores, order)
    leader, before = grouped(question[at], texts[at])
    rank = counted(question[at], before == 0)[leader]
    found = np.empty_like(rank)
    found[at] = np.where(rank <= depth, rank, 0)
    return found


def reciprocal_ranks(lists: Sequence[tuple[Rows, float]], rrf_k: int) -> tuple[Floats, Mask]:
    """Fuse ranks (0: not in a list), each list with its weight: Σ weight / (rrf_k + rank), and which rows have one."""
    scores, scored = np.zeros(len(lists[0][0])), np.zeros(len(lists[0][0]), np.bool_)
    for rank, weight in lists:
        if weight:
            scores += np.where(rank > 0, weight / (rrf_k + rank), 0.0)
            scored |= rank > 0
    return scores, scored


def list_weights(alpha: float | None) -> tuple[float, float]:
    """Weights of the dense and of the text list: equal by default; alpha 1 is dense only, 0 text only."""
    return (1.0, 1.0) if alpha is None else (2 * alpha, 2 * (1 - alpha))


class Ranked(NamedTuple):
    """Scored documents of many questions."""

    question: Rows
    score: Floats
    order: Rows
    corpus: Rows
    text: Rows  # equal for documents that say the same
    late: Mask  # found by nothing but boilerplate


class Top(NamedTuple):
    """The best rows, by question and best first, and what stands behind them with the same text."""

    rows: Rows
    leader: Rows  # the best row with the same text; itself for what is late
    copies: Rows  # how many rows have that text beside the best
    others: Rows  # how many rows of the same group stand behind


def top(ranked: Ranked, k: int, per_corpus: int | None = None, group: Rows | None = None) -> Top:
    """The best `k` rows of each question, at most `per_corpus` of one corpus; equal scores by (corpus, id).

    Rows with the text of a better one, and those that are late, come after all others. `group`: equal for rows of which
    only the first is taken.
    """
    at = sorting(ranked.question, -ranked.score, ranked.order)
    question, text, late = ranked.question[at], ranked.text[at], ranked.late[at]
    has_late = bool(late.any())
    leader, before = grouped(question, text, late.astype(np.int64)) if has_late else grouped(question, text)
    copies = np.bincount(leader, minlength=len(at))[leader] - 1
    if has_late:
        leader, copies = np.where(late, np.arange(len(at)), leader), np.where(late, 0, copies)
    chosen = sorting(question, late | (before > 0))
    others = np.zeros(len(at), np.int64)
    if group is not None:
        first, before = grouped(question[chosen], group[at[chosen]])
        others[chosen] = np.bincount(first, minlength=len(at))[first] - 1
        chosen = chosen[before == 0]
    if per_corpus is not None:
        _, before = grouped(question[chosen], ranked.corpus[at[chosen]])
        chosen = chosen[before < per_corpus]
    chosen = chosen[counted(question[chosen], np.ones(len(chosen), np.bool_)) <= k]
    return Top(at[chosen], at[leader[chosen]], copies[chosen], others[chosen])
