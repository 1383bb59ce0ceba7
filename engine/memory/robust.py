"""The robust mode: outcomes move a ranking by log odds, as far as they are believed.

The place of a document in the ranking without memory is the anchor: its log odds are −β ln rank. Judgements of near
questions add to them (`fit.gain`), so that a document of rank r comes to stand at r · e^(−gain/β). Nothing is brought
in that the search had not found, and where nothing is added the score stays as it was.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from engine.memory.fit import Fit, Floats, gain
from engine.memory.playbook import Near
from engine.search.fusion import Key

ANCHOR = 2.5  # β: the greater, the less an outcome moves
FIRSTHAND = 2.5 / 1.5  # what an outcome of the very question counts: how steeply right answers fall with rank is known
SAME = 1e-4  # distance up to which a recorded question is the one that is asked
NAMED = 5  # outcomes that `_explain` names for one row
LEAST = 0.1  # log odds below which nothing moves: less than 4 % of a rank


@dataclass(frozen=True)
class Shift:
    """What memory does to one answer: the log odds added, the factor on its score, and the outcomes behind it."""

    added: float
    factor: float
    sources: tuple[Near, ...]

    def explained(self) -> dict[str, object]:
        """The shift as a part of `_explain`, with the outcomes that say most, first."""
        first = self.sources[0]
        return {
            "playbook_id": first.playbook.playbook_id,
            "query": first.playbook.query,
            "query_distance": round(first.distance, 6),
            "factor": round(self.factor, 6),
            "log_odds": round(self.added, 6),
            "outcomes": [
                {
                    "playbook_id": one.playbook.playbook_id,
                    "query": one.playbook.query,
                    "score": one.playbook.score,
                    "query_distance": round(one.distance, 6),
                }
                for one in self.sources[:NAMED]
            ],
        }


@dataclass(frozen=True)
class Weighed:
    """The log odds that outcomes add to a document, and the outcomes that speak for it, nearest first."""

    added: float
    sources: tuple[Near, ...]


def weigh(near: Sequence[Near], fits: Mapping[str, Fit]) -> dict[Key, Weighed]:
    """What judgements of near questions add to each document.

    The nearest question says how far they count; the others agree or disagree, each by its relatedness to the nearest.
    """
    by_corpus: dict[str, list[Near]] = {}
    for one in sorted(near, key=lambda one: (one.distance, one.playbook.playbook_id)):
        by_corpus.setdefault(one.playbook.corpus, []).append(one)
    weighed: dict[Key, Weighed] = {}
    for corpus, judged in by_corpus.items():
        weighed |= _weigh(judged, fits[corpus])
    return weighed


def _weigh(judged: Sequence[Near], fit: Fit) -> dict[Key, Weighed]:
    numbers: dict[Key, int] = {}
    of = np.array([numbers.setdefault(one.playbook.key, len(numbers)) for one in judged], np.int64)
    related = fit.relatedness(np.array([1 - one.distance for one in judged]))
    leanings = np.array([2 * one.playbook.score - 1 for one in judged])
    most = np.zeros(len(numbers))
    np.maximum.at(most, of, related)
    agreement: Floats = np.bincount(of, related / np.maximum(most[of], 1e-9) * leanings, len(numbers)).astype(
        np.float64
    )
    added = gain(fit.above_ground(most), fit.sureness() * agreement, fit.share)
    own = np.array([one.distance <= SAME for one in judged])
    added[np.unique(of[own])] *= FIRSTHAND
    added = added.tolist()
    speaking: dict[Key, list[Near]] = {key: [] for key in numbers}
    for one, leaning, number in zip(judged, leanings.tolist(), of.tolist(), strict=True):
        if leaning * added[number] > 0:
            speaking[one.playbook.key].append(one)
    return {
        key: Weighed(added[number], tuple(speaking[key]))
        for key, number in numbers.items()
        if abs(added[number]) > LEAST
    }


def moved(scores: Mapping[Key, float], added: Mapping[Key, float]) -> dict[Key, float]:
    """The scores of the documents that move, given the scores of all and the log odds that are added to some.

    A document of rank r is valued at place r · e^(−added/β): between two ranks, in proportion; before the first, up to
    twice the best score; behind the last, towards 0.
    """
    if not added:
        return {}
    order = sorted(scores, key=lambda key: (-scores[key], key))
    values = [scores[key] for key in order]
    return {
        key: _valued(values, rank * float(np.exp(-added[key] / ANCHOR)), added[key] > 0)
        for rank, key in enumerate(order, 1)
        if key in added
    }


def _valued(values: Sequence[float], place: float, upwards: bool) -> float:
    """The score at a place between ranks; among equal scores what moves up stands first, what moves down last."""
    if place <= 1:
        return values[0] * (2 - place)
    if place >= len(values):
        return values[-1] * len(values) / place
    below = int(place)
    step = place - below
    between = values[below - 1] * (1 - step) + values[below] * step
    return between * (1 + 1e-9 if upwards else 1 - 1e-9)
