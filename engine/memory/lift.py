"""What outcomes are worth, measured on themselves: each question is asked again as if it had never been judged."""

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.access.profiles import Profile
from engine.errors import Invalid, TimedOut
from engine.memory.evidence import Asked
from engine.memory.playbook import Playbook
from engine.search import fusion, matrix, retrieval
from engine.search.ranking import rank
from engine.search.recollection import believe
from engine.search.request import Request

if TYPE_CHECKING:
    from engine.lake import Lake

SHOWN = 10
LARGEST = 10_000


@dataclass(frozen=True)
class Lift:
    """Means over the sampled questions of a corpus that have a right answer; helped and hurt count by nDCG@10."""

    corpus: str
    questions: int
    ndcg_off: float
    ndcg_on: float
    mrr_off: float
    mrr_on: float
    helped: int
    hurt: int


def lift(
    lake: "Lake", reach: Profile, corpora: list[str] | None, sample: int | None, cancelled: Callable[[], bool]
) -> list[Lift]:
    """Leave-one-out over at most `sample` recorded questions of each corpus, those of least digest.

    A question's own judgements are the gold, an unjudged document counts as wrong; the ranking with memory is made from
    the judgements of the other questions. Raises Invalid for a sample outside 1 … 10,000, NotFound for a corpus, and
    TimedOut soon after `cancelled` becomes true.
    """
    wanted = 100 if sample is None else sample
    if not 1 <= wanted <= LARGEST:
        raise Invalid(f"the sample is {wanted}", f"it must be within 1 and {LARGEST}")
    found = []
    for generation in lake.corpora.chosen(corpora, reach):
        measured = _measured(lake, reach, generation.corpus, wanted, cancelled)
        if measured:
            found.append(_mean(generation.corpus, measured))
    return found


def _measured(
    lake: "Lake", reach: Profile, corpus: str, sample: int, cancelled: Callable[[], bool]
) -> list[tuple[float, float, float, float]]:
    request = Request("hybrid", (corpus,), k=SHOWN, playbook="robust")
    scope = matrix.scope_of(lake, request, reach)
    judged = [
        (text, vector, known)
        for text, vector, known in lake.playbooks.held(scope.generations[0], cancelled)
        if any(one.score > 0 and scope.shows(one.key) for one in known)
    ]
    judged.sort(key=lambda one: hashlib.sha256(one[0].encode("utf-8", "surrogatepass")).digest())
    measured = []
    for text, vector, known in judged[:sample]:
        if cancelled():
            raise TimedOut
        dense = retrieval.dense(scope, vector[None], request.depth)[0]
        ranking = rank(scope, dense, text, vector, request, request.depth)
        gold = _gold(known, scope)
        off = ranking.best(ranking.scores, SHOWN, None)
        asked = Asked(vector, text)
        memory = lake.playbooks.recall(
            asked, scope.generations, None, ranking.scores, without=text, cancelled=cancelled
        )
        believe(ranking, memory, request)
        on = ranking.best(ranking.scores, SHOWN, None)
        measured.append((_ndcg(off, gold), _ndcg(on, gold), _reciprocal(off, gold), _reciprocal(on, gold)))
    return measured


def _gold(known: Sequence[Playbook], scope: retrieval.Scope) -> dict[fusion.Key, float]:
    return {one.key: one.score for one in known if one.score > 0 and scope.shows(one.key)}


def _mean(corpus: str, measured: list[tuple[float, float, float, float]]) -> Lift:
    ndcg_off, ndcg_on, mrr_off, mrr_on = (sum(column) / len(measured) for column in zip(*measured, strict=True))
    helped = sum(on > off + 1e-9 for off, on, _, _ in measured)
    hurt = sum(on < off - 1e-9 for off, on, _, _ in measured)
    return Lift(corpus, len(measured), ndcg_off, ndcg_on, mrr_off, mrr_on, helped, hurt)


def _ndcg(found: Sequence[fusion.Key], gold: Mapping[fusion.Key, float]) -> float:
    """nDCG with linear gain (Järvelin, Kekäläinen 2002)."""
    gained = sum(gold.get(key, 0.0) / math.log2(rank + 2) for rank, key in enumerate(found))
    best = sorted(gold.values(), reverse=True)[:SHOWN]
    return gained / sum(value / math.log2(rank + 2) for rank, value in enumerate(best))


def _reciprocal(found: Sequence[fusion.Key], gold: Mapping[fusion.Key, float]) -> float:
    """1 / rank of the first answer that was more right than wrong, 0 when none was found."""
    return next((1 / rank for rank, key in enumerate(found, 1) if gold.get(key, 0.0) >= 0.5), 0.0)
