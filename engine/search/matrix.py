"""The matrix indexer: one question over many corpora, from its words to ranked rows with their origin.

dense lists merged by raw cosine and BM25 with common statistics → one fusion → playbook → relevance → top k. Each stage
is a function over rows; this module puts them in order.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from engine.access.profiles import Profile
from engine.errors import Invalid, nearest
from engine.memory.judge import Candidate, Verdict
from engine.memory.playbook import Move, Near, classic
from engine.memory.playbooks import Memory
from engine.memory.robust import Shift, Weighed, moved, weigh
from engine.search import filters, fusion, hybrid, retrieval
from engine.search.fusion import Key
from engine.search.generation import Generation
from engine.search.hybrid import Nearness
from engine.search.metadata import Metadata
from engine.search.retrieval import Found, Hit, How, Scope, Shown

if TYPE_CHECKING:
    from engine.lake import Lake

Method = Literal["vector", "text", "hybrid"]
Question = str | NDArray[np.float32]
Cancelled = Callable[[], bool] | None
Judging = Callable[[Sequence[Candidate]], dict[Key, Verdict]] | None
PLAYBOOK_MODES = ("off", "classic", "robust")
DEFAULT_DEPTH = 100
RRF_K = 60  # where none is given


@dataclass(frozen=True)
class Request:
    """How to search: the same for every question of a batch."""

    method: Method
    corpora: tuple[str, ...] | None = None
    k: int = 10
    per_corpus_k: int | None = None
    filter: str | None = None
    alpha: float | None = None
    rrf_k: int | None = None  # fuse by reciprocal ranks with this constant, instead of by scores
    depth: int = DEFAULT_DEPTH
    weights: tuple[tuple[str, float], ...] = ()
    min_relevance: float | None = None
    playbook: str = "off"
    role: str | None = None
    exclude: tuple[str, ...] = ()
    exact: bool = False  # compare everything, whatever index there is
    ef: int | None = None  # how wide an index searches; None: as it was promoted
    generation: str | None = None  # of one corpus, instead of the live one

    def check(self, max_k: int) -> None:
        """Raise Invalid for a value outside its range."""
        for name, value in (("k", self.k), ("per_corpus_k", self.per_corpus_k), ("depth", self.depth), ("ef", self.ef)):
            if value is not None and not 1 <= value <= max_k:
                raise Invalid(f"{name} is {value}", f"it must be within 1 and {max_k}")
        if self.alpha is not None and not 0 <= self.alpha <= 1:
            raise Invalid(f"alpha is {self.alpha}", "0 = text only, 1 = vectors only")
        if self.rrf_k is not None and not 1 <= self.rrf_k <= 10_000:
            raise Invalid(f"rrf_k is {self.rrf_k}", "60 is usual")
        if self.playbook not in PLAYBOOK_MODES:
            raise Invalid(f"unknown playbook mode {self.playbook!r}", nearest(self.playbook, PLAYBOOK_MODES))
        for name, weight in self.weights:
            if weight < 0:
                raise Invalid(f"the weight of {name!r} is negative", "0 leaves a corpus out, 1 is neutral")


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

    def place(self, key: Key) -> retrieval.Place:
        """Where the chunk stands that represents a document: the best by cosine, else by words."""
        return (self.dense.get(key) or self.text[key]).place


def search(
    lake: "Lake", questions: Sequence[Question], request: Request, reach: Profile, cancelled: Cancelled = None
) -> list[list[dict[str, object]]]:
    """Answer each question with its rows, best first, in the columns that every search function has.

    `reach`: who asks; only what it sees can be found. Raises TimedOut soon after `cancelled` becomes true.
    """
    scope, rankings = ranked(lake, questions, request, reach, cancelled)
    return [rows(scope, ranking, request, Metadata(lake, scope)) for ranking in rankings]


def ranked(
    lake: "Lake", questions: Sequence[Question], request: Request, reach: Profile, cancelled: Cancelled = None
) -> tuple[Scope, list[Ranking]]:
    """What is searched, and the ranking of each question in it, memory included."""
    request.check(lake.config.search.max_k)
    scope = scope_of(lake, request, reach)
    model = _one_model(scope)
    vectors = embed(lake, scope, questions, cancelled) if request.method != "text" else None
    depth = request.k if request.method == "vector" else max(request.depth, request.k)
    how = How(request.exact, request.ef)
    dense = retrieval.dense(scope, vectors, depth, how) if vectors is not None else [{} for _ in questions]
    sitting = lake.judge.sitting(cancelled)
    rankings = []
    for position, question in enumerate(questions):
        vector = vectors[position] if vectors is not None else None
        judge = sitting.about(question) if sitting else None
        words = question if isinstance(question, str) and request.method != "vector" else None
        ranking = rank(scope, dense[position], words, vector, request, depth)
        if vector is not None and request.playbook == "classic":
            near = lake.playbooks.near(vector, model, request.role, _shows(lake, scope, reach))
            remember(scope, ranking, near, request, judge)
        if vector is not None and request.playbook == "robust":
            wanted = lake.switches.remembered(ranking.scores)
            memory = lake.playbooks.recall(vector, scope.generations, request.role, wanted)
            believe(ranking, memory, request, judge)
        rankings.append(ranking)
    return scope, rankings


def scope_of(lake: "Lake", request: Request, reach: Profile) -> Scope:
    """What may be found. A *named* corpus that lacks a column of the filter is an error, another is left out."""
    names = list(request.corpora) if request.corpora is not None else None
    generations = lake.corpora.chosen(names, reach, request.generation)
    _check_weights(request, [generation.corpus for generation in generations])
    shown = _shown(lake, generations, reach)
    if request.filter is None:
        visible = {one.corpus: shown[one.corpus].masks if one.corpus in shown else one.alive for one in generations}
        return Scope(generations, visible, {}, shown)
    grants = {corpus: one.grant for corpus, one in shown.items()}
    cursor = lake.cursor()
    try:
        known = sorted({name for one in generations for name in filters.columns(one, grants.get(one.corpus))})
        used = filters.check(cursor, request.filter, known)
    finally:
        cursor.close()
    kept, skipped = [], {}
    for generation in generations:
        lacking = filters.missing(used, generation, grants.get(generation.corpus))
        if lacking and (request.corpora is not None or len(generations) == 1):
            raise filters.unknown_column(lacking[0], generation, grants.get(generation.corpus))
        if lacking:
            skipped[generation.corpus] = f"no column {lacking[0]}"
        else:
            kept.append(generation)
    if generations and not kept:
        raise Invalid("no corpus has all the columns of the filter", nearest(used[0], known))
    matching = {
        one.corpus: filters.masks(lake.cursor, one, request.filter, grants.get(one.corpus), lake.mask_key)
        for one in kept
    }
    return Scope(kept, matching, skipped, shown)


def _shown(lake: "Lake", generations: list[Generation], reach: Profile) -> dict[str, Shown]:
    """The parts of the corpora of which a profile sees a part only."""
    found = {}
    for generation in generations:
        grant = None if reach.sees_everything else reach.on_corpus(generation.corpus)
        if grant is not None and not grant.is_plain:
            found[generation.corpus] = Shown(grant, filters.seen(lake.cursor, generation, grant))
    return found


def _shows(lake: "Lake", scope: Scope, reach: Profile) -> Callable[[Key], bool]:
    """Whether an answer, of whatever corpus, is shown to a profile and may be remembered."""

    def shows(key: Key) -> bool:
        if key.corpus in lake.switches.off:
            return False
        return scope.shows(key) if key.corpus in scope.shown else reach.sees_corpus(key.corpus)

    return shows


def _check_weights(request: Request, corpora: list[str]) -> None:
    for name, _ in request.weights:
        if name not in corpora:
            raise Invalid(f"a weight names the corpus {name!r}, which is not searched", nearest(name, corpora))


def _one_model(scope: Scope) -> str:
    models = {generation.manifest.model_sha256: generation.corpus for generation in scope.generations}
    if len(models) > 1:
        names = " and ".join(repr(name) for name in sorted(models.values()))
        raise Invalid(f"the corpora {names} were embedded by different models", "search them one at a time")
    return next(iter(models), "")


def embed(
    lake: "Lake", scope: Scope, questions: Sequence[Question], cancelled: Cancelled = None
) -> NDArray[np.float32]:
    """The vectors of the questions, float32 [n, dimension] of unit length; a vector stands for itself."""
    if not scope.generations:
        return np.zeros((len(questions), 1), np.float32)
    manifest = scope.generations[0].manifest
    known = lake.models.questions(lake.corpora.definition(manifest.corpus).embedder)
    if known.embedder.sha256 != manifest.model_sha256:
        raise Invalid(
            f"corpus {manifest.corpus!r} was embedded by another model, {manifest.model} {manifest.model_sha256[:12]}",
            f"rebuild it: refresh_corpus({manifest.corpus!r})",
        )
    texts = [question for question in questions if isinstance(question, str)]
    made = iter(known.embed_questions(texts, cancelled=cancelled))
    vectors = [next(made) if isinstance(one, str) else _unit(one, manifest.dimension) for one in questions]
    return np.stack(vectors).astype(np.float32) if vectors else np.empty((0, manifest.dimension), np.float32)


def _unit(vector: NDArray[np.float32], dimension: int) -> NDArray[np.float32]:
    norm = float(np.linalg.norm(vector)) if vector.size else 0.0
    if vector.shape != (dimension,) or not np.isfinite(norm) or norm == 0:
        raise Invalid(f"the vector must hold {dimension} finite numbers, not all zero", "or ask with text")
    unit: NDArray[np.float32] = vector / norm
    return unit


def rank(
    scope: Scope, dense: Found, words: str | None, vector: NDArray[np.float32] | None, request: Request, depth: int
) -> Ranking:
    """The fused ranking of one question, without memory."""
    ranking = Ranking(dense=_without(dense, request))
    ceiling = 0.0
    if words is not None:
        found, ceiling = retrieval.lexical(scope, words, depth)
        ranking.text = _without(found, request)
    ranking.dense_ranks = fusion.ranked({key: hit.score for key, hit in ranking.dense.items()}, depth)
    ranking.text_ranks = fusion.ranked({key: hit.score for key, hit in ranking.text.items()}, depth)
    if request.method == "vector":
        ranking.scores = {key: ranking.dense[key].score for key in ranking.dense_ranks}
    elif request.method == "text":
        ranking.scores = {key: ranking.text[key].score for key in ranking.text_ranks}
    elif request.rrf_k is not None or vector is None or words is None:
        by_vector, by_text = fusion.list_weights(request.alpha)
        lists = [(ranking.dense_ranks, by_vector), (ranking.text_ranks, by_text)]
        ranking.scores = fusion.reciprocal_ranks(lists, request.rrf_k or RRF_K)
    else:
        alpha = hybrid.EQUAL if request.alpha is None else request.alpha
        dense = {key: ranking.dense[key] for key in ranking.dense_ranks if alpha > 0}
        text = {key: ranking.text[key] for key in ranking.text_ranks if alpha < 1}
        ranking.near = hybrid.nearness(dense, text, ceiling, vector, alpha)
        ranking.scores = {key: near.score(alpha) for key, near in ranking.near.items()}
    if vector is not None:
        ranking.distances = _distances(ranking, vector)
    if request.weights:
        weights = dict(request.weights)
        weighted = {key: score * weights.get(key.corpus, 1.0) for key, score in ranking.scores.items()}
        ranking.scores = {key: score for key, score in weighted.items() if weights.get(key.corpus) != 0}
    return ranking


def _distances(ranking: Ranking, vector: NDArray[np.float32]) -> dict[Key, float]:
    """1 − cosine with the question as it was asked, of every document that has a score."""
    words_only = [key for key in ranking.scores if key not in ranking.dense]
    compared = retrieval.cosines([ranking.place(key) for key in words_only], vector)
    cosines = {key: hit.score for key, hit in ranking.dense.items()} | dict(zip(words_only, compared, strict=True))
    return {key: 1 - cosines[key] for key in ranking.scores}


def _without(found: Found, request: Request) -> Found:
    excluded = set(request.exclude)
    return {key: hit for key, hit in found.items() if key.id not in excluded} if excluded else found


def remember(scope: Scope, ranking: Ranking, near: Sequence[Near], request: Request, judge: Judging = None) -> None:
    """Apply the classic playbook: boosted distances, and answers brought in, as far as scope and judge allow them.

    A factor f on a distance is a factor 1/f on the fused score; an answer that is brought in is scored by its distance,
    as if the dense list had found it.
    """
    allowed = {one.playbook.key: scope.allows(one.playbook.key) for one in near}
    usable = [one for one in near if allowed[one.playbook.key] and one.playbook.id not in request.exclude]
    moves = classic(usable, ranking.distances)
    if judge is not None:
        brought = {key: place for key, move in moves.items() if move.injected and (place := allowed[key])}
        ranking.verdicts = judge([_candidate(key, place) for key, place in brought.items()])
        moves = {key: move for key, move in moves.items() if not move.injected or _approved(ranking, key)}
    for key, move in moves.items():
        factor = move.near.playbook.factor
        place = allowed[key]
        if move.injected and place is not None:
            distance = move.near.distance * factor
            ranking.dense[key] = Hit(1 - distance, place)
            ranking.scores[key] = _brought_in(ranking, distance, request)
            ranking.distances[key] = distance
        else:
            ranking.scores[key] /= factor
            ranking.distances[key] *= factor
        ranking.moves[key] = move


def _brought_in(ranking: Ranking, distance: float, request: Request) -> float:
    if request.rrf_k is None and ranking.near:
        return Nearness(1 - distance, 0.0).score(hybrid.EQUAL if request.alpha is None else request.alpha)
    position = 1 + sum(1 for other in ranking.dense_ranks if ranking.dense[other].score > 1 - distance)
    return fusion.list_weights(request.alpha)[0] / ((request.rrf_k or RRF_K) + position)


def believe(ranking: Ranking, memory: Memory, request: Request, judge: Judging = None) -> None:
    """Apply the robust playbook: new scores for those found documents on which outcomes shed a light.

    With a judge, an answer moves up only when it approves.
    """
    if not memory.near:
        return
    weighed = weigh(memory.near, memory.fits)
    if judge is not None:
        lifted = _lifted(ranking, weighed, request)
        ranking.verdicts = judge([_candidate(key, ranking.place(key)) for key in lifted])
        weighed = {key: one for key, one in weighed.items() if one.added <= 0 or _approved(ranking, key)}
    for key, score in moved(ranking.scores, {key: one.added for key, one in weighed.items()}).items():
        before = ranking.scores[key]  # 0: nothing in common with the question
        ranking.moves[key] = Shift(weighed[key].added, score / before if before else 1.0, weighed[key].sources)
        ranking.scores[key] = score


def _lifted(ranking: Ranking, weighed: Mapping[Key, Weighed], request: Request) -> list[Key]:
    """The rows of the answer that memory would move up, best first: only of these a judge need be asked."""
    scores = ranking.scores | moved(ranking.scores, {key: one.added for key, one in weighed.items()})
    relevant = {key: score for key, score in scores.items() if _relevant(ranking, key, request)}
    chosen = fusion.top(relevant, request.k, request.per_corpus_k)
    return [key for key in chosen if key in weighed and weighed[key].added > 0]


def _candidate(key: Key, place: retrieval.Place) -> Candidate:
    return Candidate(key, str(place.segment.chunk(place.chunk)["content"]))


def _approved(ranking: Ranking, key: Key) -> bool:
    verdict = ranking.verdicts.get(key)
    return verdict is not None and verdict.approved


def rows(scope: Scope, ranking: Ranking, request: Request, metadata: Metadata) -> list[dict[str, object]]:
    """The rows of the answer."""
    scores = {key: score for key, score in ranking.scores.items() if _relevant(ranking, key, request)}
    chosen = fusion.top(scores, request.k, request.per_corpus_k)
    return [_row(scope, ranking, key, position, metadata) for position, key in enumerate(chosen, 1)]


def _relevant(ranking: Ranking, key: Key, request: Request) -> bool:
    return request.min_relevance is None or 1 - ranking.distances.get(key, 1.0) >= request.min_relevance


def _row(scope: Scope, ranking: Ranking, key: Key, position: int, metadata: Metadata) -> dict[str, object]:
    place = ranking.place(key)
    return {
        "_rank": position,
        "_score": ranking.scores[key],
        "_corpus": key.corpus,
        "id": key.id,
        "content": place.segment.chunk(place.chunk)["content"],
        "metadata": metadata.of(place),
        "_distance": ranking.distances.get(key),
        "_generation": place.generation.name,
        "_explain": json.dumps(explain(scope, ranking, key), ensure_ascii=False),
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
