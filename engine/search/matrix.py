"""The matrix indexer: one question over many corpora, from its words to ranked rows with their origin.

dense lists merged by raw cosine and BM25 with common statistics → one fusion → playbook → relevance → top k. Each stage
is a function over rows; this module puts them in order.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from engine.access.profiles import Profile
from engine.errors import Invalid, TimedOut, nearest
from engine.memory.evidence import Asked
from engine.search import columns, filters, retrieval
from engine.search.collapse import DEEPER, DEEPEST, Collapse
from engine.search.columns import Columns
from engine.search.entries import Entries, joined
from engine.search.fusion import Key
from engine.search.generation import Generation
from engine.search.lists import NOTHING
from engine.search.metadata import Metadata
from engine.search.ranking import Ranking, rank_all
from engine.search.recollection import believe, remember
from engine.search.relevance.stage import Stage
from engine.search.request import Question, Request
from engine.search.retrieval import How, Scope, Shown
from engine.search.vectors.protocol import Mask, Rows

if TYPE_CHECKING:
    from engine.lake import Lake

Cancelled = Callable[[], bool] | None
TOGETHER = 256  # questions that are compared at a time: so many share the reading of the vectors


def search(
    lake: "Lake", questions: Sequence[Question], request: Request, reach: Profile, cancelled: Cancelled = None
) -> list[Columns]:
    """Answer the questions, some at a time; the rows of each question stand together, best first.

    `reach`: who asks; only what it sees can be found. Raises TimedOut soon after `cancelled` becomes true.
    """
    one = _Search(lake, questions, request, reach, cancelled)
    return [one.answers(start) for start in range(0, len(questions), TOGETHER)]


def ranked(
    lake: "Lake", question: Question, request: Request, reach: Profile, cancelled: Cancelled = None
) -> tuple[Scope, Ranking]:
    """What is searched, and the ranking of one question in it, memory included."""
    one = _Search(lake, [question], request, reach, cancelled)
    return one.scope, next(one.rankings(one.entries(0), 0))


class _Search:
    """Some questions on their way through the stages. Only as many rankings as share a comparison are in memory."""

    def __init__(
        self, lake: "Lake", questions: Sequence[Question], request: Request, reach: Profile, cancelled: Cancelled
    ) -> None:
        self._cancelled = cancelled
        request.check(lake.config.search.max_k)
        self.scope = scope_of(lake, request, reach)
        self._metadata = Metadata(lake, self.scope)
        self._focused = None if request.focus is None else Stage(lake, request.focus, self._metadata, self._check)
        self._collapse = None if request.collapse is None else Collapse(self._metadata, request.collapse)
        self._lake, self._questions, self._request, self._reach = lake, questions, request, reach
        _check_model(self.scope)
        self._vectors = embed(lake, self.scope, questions, cancelled) if request.method != "text" else None
        self._sitting = lake.judge.sitting(cancelled)
        deep = request.method != "vector" or request.collapse is not None or request.focus is not None
        self._depth = max(request.depth, request.k) if deep else request.k

    def _check(self) -> None:
        if self._cancelled and self._cancelled():
            raise TimedOut

    def answers(self, start: int) -> Columns:
        """The answers to the questions from one on, as many as share a comparison."""
        entries = self.entries(start)
        remembering = self._vectors is not None and self._request.playbook != "off"
        rankings = self.rankings(entries, start) if remembering else ()
        moved = {at: one for at, one in enumerate(rankings) if one.is_moved}
        if moved:
            others = entries.at(~np.isin(entries.question, list(moved)))
            entries = joined([others, *(one.settled() for one in moved.values())])
        questions = len(self._questions[start : start + TOGETHER])
        self._check()
        return columns.answers(
            self.scope, entries, questions, self._request, self._metadata, moved, self._collapse, self._focused
        )

    def entries(self, start: int) -> Entries:
        """What those questions found, without memory."""
        asked = np.arange(start, min(start + TOGETHER, len(self._questions)))
        depth = self._depth
        found = self._found(asked, depth)
        while depth < DEEPEST:
            short = self._is_short(found, len(asked))
            if not short.any():
                break
            depth = min(depth * DEEPER, DEEPEST)
            deeper = self._found(asked[short], depth)
            deeper = deeper._replace(question=np.flatnonzero(short)[deeper.question])
            found = joined([found.at(~short[found.question]), deeper])
        return found

    def _is_short(self, found: Entries, questions: int) -> Mask:
        """For which questions too little is left by collapse and focus: longer lists may have more."""
        k, each = self._request.k, self._request.per_corpus_k
        if self._collapse is not None:
            kept = found if self._focused is None else self._focused.kept(found)
            return self._collapse.counts(kept, questions) < k
        if self._focused is not None:
            enough = k if each is None else min(k, each * len(self.scope.generations))
            return self._focused.counts(found, questions, each) < enough
        return np.zeros(questions, np.bool_)

    def _found(self, asked: Rows, depth: int) -> Entries:
        """What some of the questions found, numbered by their positions among these."""
        self._check()
        request, dense, vectors = self._request, NOTHING, None
        questions = [self._questions[at] for at in asked.tolist()]
        if self._vectors is not None:
            vectors = self._vectors[asked]
            how = How(request.exact, request.ef)
            dense = retrieval.by_vectors(self.scope, vectors, depth, how, self._check)
        words = [one if isinstance(one, str) and request.method != "vector" else None for one in questions]
        return rank_all(self.scope, dense, words, vectors, request, depth, self._check)

    def rankings(self, entries: Entries, start: int) -> Iterator[Ranking]:
        """The ranking of each of those questions, with memory as far as that is asked for."""
        request, playbooks, generations = self._request, self._lake.playbooks, self.scope.generations
        questions = self._questions[start : start + TOGETHER]
        ends = np.searchsorted(entries.question, np.arange(len(questions) + 1)).tolist()
        for at, question in enumerate(questions):
            self._check()
            ranking = Ranking(self.scope, entries.at(slice(ends[at], ends[at + 1])), at)
            judge = self._sitting.about(question) if self._sitting else None
            vector = None if self._vectors is None else self._vectors[start + at]
            if vector is not None and request.playbook == "classic":
                shows = _shows(self._lake, self.scope, self._reach)
                near = playbooks.near(vector, generations, request.role, shows, cancelled=self._cancelled)
                remember(self.scope, ranking, near, request, judge, self._focused)
            if vector is not None and request.playbook == "robust":
                wanted = self._lake.switches.remembered(ranking.found)
                asked = Asked(vector, question if isinstance(question, str) else None)
                memory = playbooks.recall(asked, generations, request.role, wanted, cancelled=self._cancelled)
                believe(ranking, memory, request, judge, self._focused)
            yield ranking


def scope_of(lake: "Lake", request: Request, reach: Profile) -> Scope:
    """What may be found. A *named* corpus that lacks a column of the filter is an error, another is left out."""
    names = list(request.corpora) if request.corpora is not None else None
    generations = lake.corpora.chosen(names, reach, request.generation)
    _check_weights(request, [generation.corpus for generation in generations])
    skipped = lake.corpora.damage.left_out(reach) if names is None else {}
    shown = _shown(lake, generations, reach)
    excluded = frozenset(request.exclude)
    if request.filter is None:
        visible = {one.corpus: shown[one.corpus].masks if one.corpus in shown else one.alive for one in generations}
        return Scope(generations, visible, skipped, shown, excluded, filtered=bool(shown))
    grants = {corpus: one.grant for corpus, one in shown.items()}
    cursor = lake.cursor()
    try:
        known = sorted({name for one in generations for name in filters.columns(one, grants.get(one.corpus))})
        used = filters.check(cursor, request.filter, known)
    finally:
        cursor.close()
    kept = []
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
    return Scope(kept, matching, skipped, shown, excluded, filtered=True)


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


def _check_model(scope: Scope) -> None:
    models = {generation.manifest.model_sha256: generation.corpus for generation in scope.generations}
    if len(models) > 1:
        names = " and ".join(repr(name) for name in sorted(models.values()))
        raise Invalid(f"the corpora {names} were embedded by different models", "search them one at a time")


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
    embedded = known.embed_questions(texts, cancelled=cancelled)
    if len(texts) == len(questions):
        return embedded
    made = iter(embedded)
    vectors = [next(made) if isinstance(one, str) else _unit(one, manifest.dimension) for one in questions]
    return np.stack(vectors).astype(np.float32) if vectors else np.empty((0, manifest.dimension), np.float32)


def _unit(vector: NDArray[np.float32], dimension: int) -> NDArray[np.float32]:
    norm = float(np.linalg.norm(vector)) if vector.size else 0.0
    if vector.shape != (dimension,) or not np.isfinite(norm) or norm == 0:
        raise Invalid(f"the vector must hold {dimension} finite numbers, not all zero", "or ask with text")
    unit: NDArray[np.float32] = vector / norm
    return unit
