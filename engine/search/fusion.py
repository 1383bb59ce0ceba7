"""Fusion: pure functions over ranked lists. One fusion over all corpora, never one per corpus.

Dense lists of several corpora are merged by raw cosine (same model), BM25 lists by a score with global statistics; then
one reciprocal rank fusion joins the two (Cormack, Clarke, Büttcher 2009: score = Σ weight / (k + rank)).
"""

from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple


class Key(NamedTuple):
    """A document by its corpus and id; keys sort as results with equal scores do."""

    corpus: str
    id: str


NONE: Mapping[Key, int] = MappingProxyType({})


def ranked(scores: Mapping[Key, float], depth: int, texts: Mapping[Key, int] = NONE) -> dict[Key, int]:
    """Rank (1 = best) of the best `depth` keys; equal scores by (corpus, id).

    `texts`: the text of those keys that have it in common with others; they share the rank of the best of them.
    """
    order = sorted(scores, key=lambda key: (-scores[key], key))
    if not texts:
        return {key: position for position, key in enumerate(order[:depth], 1)}
    ranks: dict[Key, int] = {}
    of_text: dict[int, int] = {}
    last = 0
    for key in order:
        text = texts.get(key)
        if text is not None and text in of_text:
            ranks[key] = of_text[text]
        elif last < depth:
            last += 1
            ranks[key] = last
            if text is not None:
                of_text[text] = last
    return ranks


def reciprocal_ranks(lists: Sequence[tuple[Mapping[Key, int], float]], rrf_k: int) -> dict[Key, float]:
    """Fuse ranked lists, each with its weight: Σ weight / (rrf_k + rank)."""
    fused: dict[Key, float] = {}
    for ranks, weight in lists:
        if weight:
            for key, rank in ranks.items():
                fused[key] = fused.get(key, 0.0) + weight / (rrf_k + rank)
    return fused


def list_weights(alpha: float | None) -> tuple[float, float]:
    """Weights of the dense and of the text list: equal by default; alpha 1 is dense only, 0 text only."""
    return (1.0, 1.0) if alpha is None else (2 * alpha, 2 * (1 - alpha))


def top(
    scores: Mapping[Key, float],
    k: int,
    per_corpus: int | None = None,
    texts: Mapping[Key, int] = NONE,
    late: Collection[Key] = (),
) -> list[Key]:
    """The best `k` keys, at most `per_corpus` of one corpus; equal scores by (corpus, id).

    Keys with the text (`texts`) of a better one, and those that are `late`, come after all others.
    """
    order = sorted(scores, key=lambda key: (-scores[key], key))
    if texts or late:
        order = _new_first(order, texts, late)
    if per_corpus is None:
        return order[:k]
    chosen: list[Key] = []
    taken: dict[str, int] = {}
    for key in order:
        if len(chosen) == k:
            break
        if taken.get(key.corpus, 0) < per_corpus:
            taken[key.corpus] = taken.get(key.corpus, 0) + 1
            chosen.append(key)
    return chosen


def _new_first(order: Sequence[Key], texts: Mapping[Key, int], late: Collection[Key]) -> list[Key]:
    new: list[Key] = []
    behind: list[Key] = []
    seen: set[int | None] = set()
    for key in order:
        text = texts.get(key)
        (behind if key in late or (text is not None and text in seen) else new).append(key)
        seen.add(text)
    return new + behind
