"""Recollection: recorded outcomes move a ranking, as far as the scope and the judge allow them."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from engine.memory.judge import Candidate, Verdict
from engine.memory.playbook import SAME, Move, Near, classic
from engine.memory.playbooks import Memory
from engine.memory.robust import Shift, Weighed, moved, weigh
from engine.search import fusion, hybrid
from engine.search.fusion import Key
from engine.search.hybrid import Nearness
from engine.search.ranking import Ranking
from engine.search.relevance.stage import Stage
from engine.search.request import RRF_K, Request
from engine.search.retrieval import Hit, Place, Scope

Judging = Callable[[Sequence[Candidate]], dict[Key, Verdict]] | None


def remember(
    scope: Scope,
    ranking: Ranking,
    near: Sequence[Near],
    request: Request,
    judge: Judging = None,
    focused: Stage | None = None,
) -> None:
    """Apply the classic playbook: boosted distances, and answers brought in, as far as scope and judge allow them.

    A factor f on a distance is a factor 1/f on the fused score; an answer that is brought in is scored by its distance,
    as if the dense list had found it there.
    """
    allowed = {one.playbook.key: scope.allows(one.playbook.key) for one in near}
    silent = {corpus for corpus, weight in request.weights if weight == 0}
    usable = [
        one
        for one in near
        if allowed[one.playbook.key] and one.playbook.id not in request.exclude and one.playbook.corpus not in silent
    ]
    moves = classic(usable, ranking.distances, _shown(ranking, request, focused)) if usable else {}
    if judge is not None:
        brought = {key: place for key, move in moves.items() if move.injected and (place := allowed[key])}
        asked = [key for key, place in brought.items() if focused is None or _is_about(scope, focused, place)]
        ranking.verdicts = judge([_candidate(key, brought[key]) for key in asked])
        moves = {key: move for key, move in moves.items() if not move.injected or _approved(ranking, key)}
    for key, move in moves.items():
        factor = move.near.playbook.factor
        place = allowed[key]
        if move.injected and place is not None:
            distance = move.near.distance * factor
            if key not in ranking.scores:
                ranking.dense[key] = Hit(1 - distance, place, int(place.segment.texts[place.chunk]))
            ranking.scores[key] = _brought_in(ranking, move, request)
            ranking.distances[key] = distance
        else:
            ranking.scores[key] /= factor
            ranking.distances[key] *= factor
        ranking.moves[key] = move


def _brought_in(ranking: Ranking, move: Move, request: Request) -> float:
    """The score of an answer at the distance of its question.

    What was recorded for the very question has its words, too; another question says nothing of them.
    """
    nearness = 1 - move.near.distance * move.near.playbook.factor
    words = nearness if move.near.distance <= SAME else 0.0
    if request.rrf_k is None and ranking.near:
        return Nearness(nearness, words).score(hybrid.EQUAL if request.alpha is None else request.alpha)
    position = 0.5 + sum(1 for other in ranking.dense_ranks if ranking.dense[other].score > nearness)
    by_vector, by_text = fusion.list_weights(request.alpha)
    return (by_vector + by_text * (words > 0 and ranking.has_words)) / ((request.rrf_k or RRF_K) + position)


def believe(
    ranking: Ranking, memory: Memory, request: Request, judge: Judging = None, focused: Stage | None = None
) -> None:
    """Apply the robust playbook: new scores for those found documents on which outcomes shed a light.

    With a judge, an answer moves up only when it approves. `focused`: what else has to let it into the answer.
    """
    if not memory.near:
        return
    weighed = weigh(memory.near, memory.fits)
    if judge is not None:
        lifted = _lifted(ranking, weighed, request, focused)
        ranking.verdicts = judge([_candidate(key, ranking.place(key)) for key in lifted])
        weighed = {key: one for key, one in weighed.items() if one.added <= 0 or _approved(ranking, key)}
    for key, score in moved(ranking.scores, {key: one.added for key, one in weighed.items()}).items():
        before = ranking.scores[key]  # 0: nothing in common with the question
        ranking.moves[key] = Shift(weighed[key].added, score / before if before else 1.0, weighed[key].voices)
        ranking.scores[key] = score


def _lifted(ranking: Ranking, weighed: Mapping[Key, Weighed], request: Request, focused: Stage | None) -> list[Key]:
    """The rows of the answer that memory would move up, best first: only of these a judge need be asked."""
    scores = ranking.scores | moved(ranking.scores, {key: one.added for key, one in weighed.items()})
    chosen = _shown(ranking, request, focused, scores)
    return [key for key in chosen if key in weighed and weighed[key].added > 0]


def _shown(
    ranking: Ranking, request: Request, focused: Stage | None, scores: Mapping[Key, float] | None = None
) -> list[Key]:
    """The rows of the answer, best first: with the scores as they are, or with others."""
    given = ranking.scores if scores is None else scores
    relevant = ranking.about(focused, {key: given[key] for key in ranking.relevant(request)})
    return ranking.best(relevant, request.k, request.per_corpus_k)


def _is_about(scope: Scope, focused: Stage, place: Place) -> bool:
    chunk, document = (np.array([number], np.int64) for number in scope.numbering.number(place))
    return bool(focused.keeps(document, chunk)[0])


def _candidate(key: Key, place: Place) -> Candidate:
    return Candidate(key, place.segment.content(place.chunk))


def _approved(ranking: Ranking, key: Key) -> bool:
    verdict = ranking.verdicts.get(key)
    return verdict is not None and verdict.approved
