"""The ranking of one question: lists fused, copies folded, the order of its rows, and what each stage gave to them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from engine.memory.judge import Verdict
from engine.memory.playbook import Move
from engine.memory.robust import Shift
from engine.search import fusion, hybrid, retrieval
from engine.search.fusion import Key
from engine.search.hybrid import Nearness
from engine.search.metadata import Metadata
from engine.search.request import RRF_K, Request
from engine.search.retrieval import Found, Hit, Place, Scope, shared


@dataclass
class Ranking:
    """One question on its way through the stages."""

    dense: Found = field(default_factory=dict)
    text: Found = field(default_factory=dict)
    near: dict[Key, Nearness] = field(default_factory=dict)  # where scores were fused
    scores: dict[Key, float] = field(default_factory=dict)
    distances: dict[Key, float] = field(default_factory=dict)
    moves: dict[Key, Move | Shift] = field(default_factory=dict)
    dense_ranks: dict[Key, int] = field(default_factory=dict)
    text_ranks: dict[Key, int] = field(default_factory=dict)
    verdicts: dict[Key, Verdict] = field(default_factory=dict)  # of the judge, where there is one
    late: frozenset[Key] = frozenset()  # found by nothing but boilerplate

    def hit(self, key: Key) -> Hit:
        """The chunk that represents a document: the best by cosine, else by words."""
        return self.dense.get(key) or self.text[key]

    def place(self, key: Key) -> Place:
        """Where that chunk stands."""
        return self.hit(key).place

    def relevant(self, request: Request) -> dict[Key, float]:
        """The scores of the documents that are near enough to the question."""
        least = request.min_relevance
        if least is None:
            return self.scores
        return {key: score for key, score in self.scores.items() if 1 - self.distances.get(key, 1.0) >= least}

    def best(self, scores: Mapping[Key, float], k: int, per_corpus: int | None) -> list[Key]:
        """The best `k` documents by `scores`, at most `per_corpus` of a corpus: first those that say something new.

        What says the same as a better one, and what only boilerplate found, comes after everything else.
        """
        return fusion.top(scores, k, per_corpus, self.copies(scores), self.late)

    def copies(self, scores: Mapping[Key, float]) -> dict[Key, int]:
        """Those documents that are found by a text that another one has too, each with the number of the text."""
        hits = self.text | self.dense
        return shared({key: hits[key] for key in scores if key not in self.late})


def rank(
    scope: Scope, dense: Found, words: str | None, vector: NDArray[np.float32] | None, request: Request, depth: int
) -> Ranking:
    """The fused ranking of one question, without memory."""
    ranking = Ranking(dense=dense)
    ceiling = 0.0
    if words is not None:
        lexical = retrieval.lexical(scope, words, depth)
        ceiling = lexical.ceiling
        ranking.text = lexical.found
        if request.method == "text":
            ranking.text, ranking.late = lexical.found | lexical.late, frozenset(lexical.late)
    ranking.dense_ranks = _ranks(ranking.dense, depth)
    ranking.text_ranks = _ranks(ranking.text, depth, ranking.late)
    known = {key: ranking.dense[key].score for key in ranking.dense_ranks}  # cosines with the question
    if request.method == "vector":
        ranking.scores = dict(known)
    elif request.method == "text":
        ranking.scores = {key: ranking.text[key].score for key in ranking.text_ranks}
    elif request.rrf_k is not None or vector is None or words is None:
        by_vector, by_text = fusion.list_weights(request.alpha)
        lists = [(ranking.dense_ranks, by_vector), (ranking.text_ranks, by_text)]
        ranking.scores = fusion.reciprocal_ranks(lists, request.rrf_k or RRF_K)
    else:
        known = _fuse_scores(ranking, ceiling, vector, hybrid.EQUAL if request.alpha is None else request.alpha)
    if vector is not None:
        ranking.distances = _distances(ranking, known, vector)
    if request.weights:
        weights = dict(request.weights)
        weighted = {key: score * weights.get(key.corpus, 1.0) for key, score in ranking.scores.items()}
        ranking.scores = {key: score for key, score in weighted.items() if weights.get(key.corpus) != 0}
    return ranking


def _fuse_scores(ranking: Ranking, ceiling: float, vector: NDArray[np.float32], alpha: float) -> dict[Key, float]:
    """Give what was found the scores of `hybrid`; returns its cosines with the question as it was asked."""
    dense = {key: ranking.dense[key] for key in ranking.dense_ranks} if alpha > 0 else {}
    text = {key: ranking.text[key] for key in ranking.text_ranks} if alpha < 1 else {}
    ranking.near, asked = hybrid.nearness(dense, text, ceiling, vector, alpha)
    ranking.scores = {key: near.score(alpha) for key, near in ranking.near.items()}
    return asked


def _ranks(found: Found, depth: int, late: frozenset[Key] = frozenset()) -> dict[Key, int]:
    """The ranks of the `depth` best texts; copies share one, and what is late comes after them."""
    scores = {key: hit.score for key, hit in found.items() if key not in late}
    ranks = fusion.ranked(scores, depth, shared(found))
    behind = fusion.ranked({key: found[key].score for key in late}, depth)
    return ranks | {key: len(ranks) + rank for key, rank in behind.items()}


def _distances(ranking: Ranking, known: Mapping[Key, float], vector: NDArray[np.float32]) -> dict[Key, float]:
    """1 − cosine with the question as it was asked, of every document that has a score; some cosines are known."""
    others = [key for key in ranking.scores if key not in known]
    compared = retrieval.cosines(retrieval.vectors([ranking.place(key) for key in others]), vector) if others else []
    cosines = {**known, **dict(zip(others, compared, strict=True))}
    return {key: 1 - cosines[key] for key in ranking.scores}


def rows(scope: Scope, ranking: Ranking, request: Request, metadata: Metadata) -> list[dict[str, object]]:
    """The rows of the answer."""
    scores = ranking.relevant(request)
    chosen = ranking.best(scores, request.k, request.per_corpus_k)
    told = _folded(ranking, scores)
    return [_row(scope, ranking, key, position, metadata, told) for position, key in enumerate(chosen, 1)]


def _folded(ranking: Ranking, scores: Mapping[Key, float]) -> dict[Key, dict[str, object]]:
    """What `_explain` says of documents with the same text: how many stand behind the best, and which that is."""
    copies = ranking.copies(scores)
    together: dict[int, list[Key]] = {}
    for key in sorted(copies, key=lambda key: (-scores[key], key)):
        together.setdefault(copies[key], []).append(key)
    told: dict[Key, dict[str, object]] = {key: {"boilerplate": True} for key in ranking.late}
    for best, *others in together.values():
        told[best] = {"duplicates": len(others)}
        told |= {key: {"duplicate_of": best._asdict()} for key in others}
    return told


def _row(
    scope: Scope,
    ranking: Ranking,
    key: Key,
    position: int,
    metadata: Metadata,
    told: Mapping[Key, dict[str, object]],
) -> dict[str, object]:
    place = ranking.place(key)
    return {
        "_rank": position,
        "_score": ranking.scores[key],
        "_corpus": key.corpus,
        "id": key.id,
        "content": place.segment.content(place.chunk),
        "metadata": metadata.of(place),
        "_distance": ranking.distances.get(key),
        "_generation": place.generation.name,
        "_explain": json.dumps(explain(scope, ranking, key) | told.get(key, {}), ensure_ascii=False),
    }


def explain(scope: Scope, ranking: Ranking, key: Key) -> dict[str, object]:
    """What each stage gave to a row."""
    parts: dict[str, object] = {}
    if key in ranking.dense_ranks:
        parts["dense"] = {"rank": ranking.dense_ranks[key], "cosine": round(ranking.dense[key].score, 6)}
    if key in ranking.text_ranks:
        parts["text"] = {"rank": ranking.text_ranks[key], "bm25": round(ranking.text[key].score, 6)}
    if key in ranking.near:
        parts["hybrid"] = {name: round(value, 6) for name, value in ranking.near[key]._asdict().items()}
    if key in ranking.moves:
        parts["playbook"] = ranking.moves[key].explained()
    if ranking.verdicts:
        parts["judge"] = [
            {"corpus": judged.corpus, "id": judged.id, **verdict.explained()}
            for judged, verdict in ranking.verdicts.items()
        ]
    if scope.skipped:
        parts["skipped"] = scope.skipped
    return parts
