"""The robust mode: outcomes move a ranking by log odds, as far as they are believed.

The place of a document in the ranking without memory is the anchor: its log odds fall by β ln 2 from the first place to
the second, and as 0.85 β ln rank behind it, since the first place says most. Judgements of near questions add to them
(`fit.gain`), each for itself, and a document comes to stand where a ranking has the log odds that it has then.
Nothing is brought in that the search had not found, and where nothing is added the score stays as it was.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from engine.memory.fit import Fit, Floats, Pairs, gain
from engine.memory.playbook import Near, told_of
from engine.search.fusion import Key

ANCHOR = 1.4  # β: the greater, the less an outcome moves; what is right grows rarer by 1.1 (`error_rate.STEEPNESS`)
KNEE, BEHIND = 2.0, 0.85  # behind this place log odds fall by so much of β
FIRSTHAND = 3.0  # times what a judgement of the very question counts: it outweighs what near ones say of others
FOR, AGAINST = 6.0, 2.0  # a judgement counts as this power of the relatedness of the questions: harm outweighs help
LEAST_ERROR = 0.03  # so often at least judgements are taken to err
UNRELATED = 0.1  # relatedness below which it counts nothing
MARGIN = 0.065  # of cosine, by which another question is taken for less near than it is: harm outweighs help
NAMED = 5  # outcomes that `_explain` names for one row
TINY = 1e-9  # of a score: what decides between equal ones
LEAST = 0.1  # log odds below which nothing moves: less than 4 % of a rank
WHISPER = 0.2  # nor does it by less than this share of what one judgement of the same need says


class Voice(NamedTuple):
    """An outcome and the log odds that it adds to its document."""

    near: Near
    log_odds: float


@dataclass(frozen=True)
class Shift:
    """What memory does to one answer: the log odds added, the factor on its score, and the outcomes behind it."""

    added: float
    factor: float
    voices: tuple[Voice, ...]

    def explained(self, *, asked: bool = True) -> dict[str, object]:
        """The shift as a part of `_explain`, with the outcomes that say most, first.

        `asked`: with the texts of the recorded questions.
        """
        return {
            **told_of(self.voices[0].near, asked=asked),
            "factor": round(self.factor, 6),
            "log_odds": round(self.added, 6),
            "outcomes": [
                {**told_of(near, asked=asked), "score": near.playbook.score, "log_odds": round(log_odds, 6)}
                for near, log_odds in self.voices[:NAMED]
            ],
        }


@dataclass(frozen=True)
class Weighed:
    """The log odds that outcomes add to a document, and the outcomes that say so, those that say most first."""

    added: float
    voices: tuple[Voice, ...]


def weigh(near: Sequence[Near], fits: Mapping[str, Fit]) -> dict[Key, Weighed]:
    """What judgements of near questions add to each document: the sum of what each one says, where that is enough."""
    by_corpus: dict[str, list[Near]] = {}
    for one in sorted(near, key=lambda one: (one.distance, one.playbook.playbook_id)):
        by_corpus.setdefault(one.playbook.corpus, []).append(one)
    voices: dict[Key, list[Voice]] = {}
    for corpus, judged in by_corpus.items():
        for one, said in zip(judged, said_by(judged, fits[corpus]).tolist(), strict=True):
            voices.setdefault(one.playbook.key, []).append(Voice(one, said))
    weighed = {}
    for key, heard in voices.items():
        added = sum(voice.log_odds for voice in heard)
        if abs(added) > max(LEAST, WHISPER * fits[key.corpus].sureness()):
            speaking = [voice for voice in heard if voice.log_odds * added > 0]
            weighed[key] = Weighed(added, tuple(sorted(speaking, key=lambda voice: -abs(voice.log_odds))))
    return weighed


def telling(near: Sequence[Near], fits: Mapping[str, Fit]) -> list[Near]:
    """Those of some judgements that may count as far as their questions go.

    What the difference of the questions explains is not looked at: it makes judgements count less, never more.
    """
    may = np.zeros(len(near), np.bool_)
    for corpus in {one.playbook.corpus for one in near}:
        at = [row for row, one in enumerate(near) if one.playbook.corpus == corpus]
        some = (near[row] for row in at)
        distances, *known = np.array([(one.distance, one.usual, one.common, one.idle) for one in some]).T
        none = np.zeros(len(at))
        related = fits[corpus].beyond_usual(Pairs(1 - distances - MARGIN, none, none, *known), none)
        may[at] = [near[row].own for row in at] | (related >= UNRELATED)
    return [one for one, counts in zip(near, may.tolist(), strict=True) if counts]


def said_by(judged: Sequence[Near], fit: Fit) -> Floats:
    """The log odds that each judgement adds to its document: float64 [judged].

    A judgement counts as far as its question is related to the one that is asked; one of the very question is related
    for certain. Of what it says, (1 − 2ε) is taken: so much more often than not judgements are right. Together that is
    what those which err so often say in the mean, their Kullback-Leibler divergence: (1 − 2ε) ln((1 − ε)/ε).
    """
    leanings = np.array([2 * one.playbook.score - 1 for one in judged])
    distances = np.array([one.distance for one in judged])
    known = np.array([(one.words, one.meaning, one.usual, one.common, one.idle) for one in judged]).T
    pairs = Pairs(1 - distances - MARGIN, *known)
    related = fit.beyond_usual(pairs, leanings)
    believed = np.where(related < UNRELATED, 0.0, related ** np.where(leanings > 0, FOR, AGAINST))
    own = np.array([one.own for one in judged])
    believed[own] = 1.0
    error = max(fit.error, LEAST_ERROR)
    said = (1 - 2 * error) * gain(believed, math.log((1 - error) / error) * leanings, fit.share)
    said[own] *= FIRSTHAND
    return said


def moved(scores: Mapping[Key, float], added: Mapping[Key, float]) -> dict[Key, float]:
    """The scores of the documents that move, given the scores of all and the log odds that are added to some.

    A document is valued at the place of its new log odds: between two ranks, in proportion; before the first, up to
    twice the best score; behind the last, towards 0.
    """
    if not added:
        return {}
    order = _ordered(scores)
    values = [scores[key] for key in order]
    return {
        key: _valued(values, place_of(log_odds_of(rank) + added[key]), added[key] > 0)
        for rank, key in enumerate(order, 1)
        if key in added
    }


def log_odds_of(place: float) -> float:
    """The log odds of a document at a place from 1 on, against those of the first."""
    return -ANCHOR * (math.log(min(place, KNEE)) + BEHIND * math.log(max(place / KNEE, 1.0)))


def place_of(log_odds: float) -> float:
    """The place, 0 … ∞, at which documents have these log odds: `log_odds_of` turned round."""
    fallen = -log_odds / ANCHOR
    return math.exp(fallen) if fallen <= math.log(KNEE) else KNEE * math.exp((fallen - math.log(KNEE)) / BEHIND)


def _ordered(scores: Mapping[Key, float]) -> list[Key]:
    """Best first, equal ones by their names: these are compared where scores tie only."""
    order = sorted(scores, key=scores.__getitem__, reverse=True)
    if any(scores[one] == scores[other] for one, other in pairwise(order)):
        order.sort(key=lambda key: (-scores[key], key))
    return order


def _valued(values: Sequence[float], place: float, upwards: bool) -> float:
    """The score at a place between ranks; among equal scores what moves up stands first, what moves down last."""
    if place <= 1:
        return (values[0] or TINY * len(values)) * (2 - place)
    if place >= len(values):
        return values[-1] * len(values) / place
    below = int(place)
    step = place - below
    between = values[below - 1] * (1 - step) + values[below] * step
    if not between and upwards:  # it has nothing in common with the question, as little as what stands before it
        return TINY * (len(values) - place)
    return between * (1 + TINY if upwards else 1 - TINY)
