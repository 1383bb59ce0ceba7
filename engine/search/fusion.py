"""Fusion: pure functions over ranked lists. One fusion over all corpora, never one per corpus.

Dense lists of several corpora are merged by raw cosine (same model), BM25 lists by a score with global statistics; then
one reciprocal rank fusion joins the two (Cormack, Clarke, Büttcher 2009: score = Σ weight / (k + rank)).
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple


class Key(NamedTuple):
    """A document by its corpus and id; keys sort as results with equal scores do."""

    corpus: str
    id: str


def ranked(scores: Mapping[Key, float], depth: int) -> dict[Key, int]:
    """Rank (1 = best) of the best `depth` keys; equal scores by (corpus, id)."""
    order = sorted(scores, key=lambda key: (-scores[key], key))[:depth]
    return {key: position for position, key in enumerate(order, 1)}


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


def top(scores: Mapping[Key, float], k: int, per_corpus: int | None = None) -> list[Key]:
    """The best `k` keys, at most `per_corpus` of one corpus; equal scores by (corpus, id)."""
    chosen: list[Key] = []
    taken: dict[str, int] = {}
    for key in sorted(scores, key=lambda key: (-scores[key], key)):
        if len(chosen) == k:
            break
        if per_corpus is None or taken.get(key.corpus, 0) < per_corpus:
            taken[key.corpus] = taken.get(key.corpus, 0) + 1
            chosen.append(key)
    return chosen
