"""Rankings: the lists of questions fused to scores, and what one question has, by document, for memory to change."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import cached_property

import numpy as np

from engine.memory.judge import Verdict
from engine.memory.playbook import Move
from engine.memory.robust import Shift
from engine.search import columns, fusion, hybrid, retrieval
from engine.search.entries import Entries, blank, joined, listed
from engine.search.fusion import Key
from engine.search.hybrid import Candidates, Nearness
from engine.search.lists import NOTHING, Floats, Found, Hit, Lists
from engine.search.metadata import Metadata
from engine.search.numbering import Place
from engine.search.relevance.stage import Stage
from engine.search.request import RRF_K, Request
from engine.search.retrieval import Scope
from engine.search.vectors.protocol import Mask, Vector, Vectors


def rank_all(
    scope: Scope,
    dense: Lists,
    words: Sequence[str | None],
    vectors: Vectors | None,
    request: Request,
    depth: int,
    check: Callable[[], None] = lambda: None,
) -> Entries:
    """The fused rankings of some questions, without memory.

    `words`, `vectors` (float32 [n, dimension]): what each asks with, where it does; `dense`: what its vector found.
    `check`, which may raise to stop, is called now and then.
    """
    asking = np.array([at for at, one in enumerate(words) if one is not None], np.int64)
    found = retrieval.by_words(scope, [one for one in words if one is not None], depth, check)
    text, late = (one._replace(question=asking[one.question]) for one in (found.found, found.late))
    ceiling = np.zeros(len(words))
    ceiling[asking] = found.ceiling
    entries = listed(scope.numbering, dense, text, late if request.method == "text" else NOTHING, depth)
    in_dense, in_text = entries.dense_rank > 0, entries.text_rank > 0
    known = np.where(in_dense, entries.cosine, np.nan)  # cosines with the question as it was asked
    if request.method == "vector":
        entries.score[in_dense] = entries.cosine[in_dense]
    elif request.method == "text":
        entries.score[in_text] = entries.bm25[in_text]
    else:
        by_scores = np.zeros(len(words), np.bool_)
        by_scores[asking] = request.rrf_k is None
        fused = by_scores[entries.question]
        _fuse_ranks(entries, ~fused, request)
        if vectors is not None and fused.any():
            _fuse_scores(scope, entries, fused, ceiling, vectors, request.alpha, known)
    if vectors is not None:
        _measure(scope, entries, known, vectors)
    return _weighted(scope, entries, request)


def _fuse_ranks(entries: Entries, rows: Mask, request: Request) -> None:
    by_vector, by_text = fusion.list_weights(request.alpha)
    lists = [(entries.dense_rank, by_vector), (entries.text_rank, by_text)]
    scores, scored = fusion.reciprocal_ranks(lists, request.rrf_k or RRF_K)
    entries.score[:] = np.where(scored & rows, scores, np.nan)


def _fuse_scores(
    scope: Scope, entries: Entries, rows: Mask, ceiling: Floats, vectors: Vectors, given: float | None, known: Floats
) -> None:
    """Give some rows the scores of `hybrid`, and put their cosines with the question as it was asked into `known`."""
    alpha = hybrid.EQUAL if given is None else given
    by_vector = rows & (entries.dense_rank > 0) & (alpha > 0)
    by_text = rows & (entries.text_rank > 0) & (alpha < 1)
    at = np.flatnonzero(by_vector | by_text)
    one = entries.at(at)
    greatest = ceiling[one.question]
    has_words = by_text[at] & (greatest > 0)
    words = np.where(has_words, one.bm25, 0.0) / np.where(has_words, greatest, 1.0)
    chunk = np.where(by_vector[at], one.chunk, one.lexical)
    asked, near = hybrid.compare(Candidates(one.question, one.order, chunk, words), vectors, alpha, scope.numbering)
    known[rows], known[at] = np.nan, asked
    entries.near[at], entries.words[at] = near, words
    entries.score[at] = hybrid.scores(near, words, alpha)


def _measure(scope: Scope, entries: Entries, known: Floats, vectors: Vectors) -> None:
    """1 − cosine with the question as it was asked, of every document that has a score; some cosines are known."""
    scored = ~np.isnan(entries.score)
    others = np.flatnonzero(scored & np.isnan(known))
    if len(others):
        known[others] = retrieval.cosines(scope.numbering, entries.question[others], entries.chunk[others], vectors)
    entries.distance[scored] = 1 - known[scored]


def _weighted(scope: Scope, entries: Entries, request: Request) -> Entries:
    if request.weights:
        weights = dict(request.weights)
        of_corpus = np.array([weights.get(corpus, 1.0) for corpus in scope.numbering.corpora])
        of_corpus = of_corpus[scope.numbering.corpus(entries.document)]
        entries.score[:] = np.where(of_corpus == 0, np.nan, entries.score * of_corpus)
    return entries


def rank(
    scope: Scope, dense: Found, words: str | None, vector: Vector | None, request: Request, depth: int
) -> "Ranking":
    """The fused ranking of one question, without memory."""
    vectors = None if vector is None else vector[np.newaxis]
    return Ranking(scope, rank_all(scope, dense.lists, [words], vectors, request, depth))


def rows(scope: Scope, ranking: "Ranking", request: Request, metadata: Metadata) -> list[dict[str, object]]:
    """The rows of the answer to one question."""
    answer = columns.answers(scope, ranking.settled(), 1, request, metadata, {0: ranking})
    return answer.rows()


class Ranking:
    """What one question found, by document. Memory may give other scores to it, and bring documents in."""

    def __init__(self, scope: Scope, entries: Entries, question: int = 0) -> None:
        """`entries`: those of the question; `question`: its position in the batch."""
        self._scope, self._entries, self._question = scope, entries, question
        self.moves: dict[Key, Move | Shift] = {}
        self.verdicts: dict[Key, Verdict] = {}  # of the judge, where there is one

    @property
    def is_moved(self) -> bool:
        """Whether memory has changed anything, or the judge was asked."""
        return bool(self.moves or self.verdicts)

    @cached_property
    def _keys(self) -> list[Key]:
        return self._scope.numbering.keys(self._entries.document)

    def _known(self, column: Floats) -> dict[Key, float]:
        values = column.tolist()
        return {key: value for key, value in zip(self._keys, values, strict=True) if value == value}  # not NaN

    @cached_property
    def scores(self) -> dict[Key, float]:
        """The scores of those that can be in the answer."""
        return self._known(self._entries.score)

    @cached_property
    def distances(self) -> dict[Key, float]:
        """1 − cosine with the question, where that is known."""
        return self._known(self._entries.distance)

    @property
    def found(self) -> Collection[Key]:
        """The documents that have a score. They are called by name when somebody looks: most questions are not."""
        return _Scored(self)

    @cached_property
    def near(self) -> dict[Key, Nearness]:
        """What their scores were made of, where scores were fused."""
        pairs = map(Nearness, self._entries.near.tolist(), self._entries.words.tolist())
        return {key: near for key, near in zip(self._keys, pairs, strict=True) if near.cosine == near.cosine}

    @cached_property
    def dense_ranks(self) -> dict[Key, int]:
        """The ranks in the dense list."""
        return {key: rank for key, rank in zip(self._keys, self._entries.dense_rank.tolist(), strict=True) if rank}

    @cached_property
    def dense(self) -> dict[Key, Hit]:
        """The dense list."""
        return {key: self._hit(key, cosine) for key, cosine in self._known(self._entries.cosine).items()}

    @property
    def has_words(self) -> bool:
        """Whether the words of the question have found anything."""
        return bool((self._entries.text_rank > 0).any())

    @cached_property
    def _rows(self) -> dict[Key, int]:
        return {key: at for at, key in enumerate(self._keys)}

    def _hit(self, key: Key, score: float) -> Hit:
        at = self._rows[key]
        place = self._scope.numbering.place(int(self._entries.chunk[at]))
        return Hit(score, place, int(self._entries.text[at]))

    def hit(self, key: Key) -> Hit:
        """The chunk that represents a document: the best by cosine, else by words."""
        return self.dense.get(key) or self._hit(key, float(self._entries.bm25[self._rows[key]]))

    def place(self, key: Key) -> Place:
        """Where that chunk stands."""
        return self.hit(key).place

    def relevant(self, request: Request) -> dict[Key, float]:
        """The scores of the documents that are near enough to the question."""
        least = request.min_relevance
        if least is None:
            return self.scores
        return {key: score for key, score in self.scores.items() if 1 - self.distances.get(key, 1.0) >= least}

    def about(self, focused: Stage | None, scores: Mapping[Key, float]) -> Mapping[Key, float]:
        """Those of the scores whose documents the relevance filter lets into the answer."""
        if focused is None:
            return scores
        kept = self._scope.numbering.keys(focused.kept(self._with(scores, {})).document)
        return {key: scores[key] for key in kept}

    def best(self, scores: Mapping[Key, float], k: int, per_corpus: int | None) -> list[Key]:
        """The best `k` documents by `scores`, at most `per_corpus` of a corpus: first those that say something new.

        What says the same as a better one, and what only boilerplate found, comes after everything else.
        """
        entries = self._with(scores, {})
        keys = self._scope.numbering.keys(entries.document)
        return [keys[at] for at in columns.best(self._scope.numbering, entries, k, per_corpus).rows.tolist()]

    def settled(self) -> Entries:
        """The entries with the scores and distances that memory has given, and with what it has brought in."""
        return self._with(self.scores, self.distances)

    def _with(self, scores: Mapping[Key, float], distances: Mapping[Key, float]) -> Entries:
        keys, entries = self._keys, self._entries
        scored = dict(zip(keys, (~np.isnan(entries.score)).tolist(), strict=True))
        brought = [key for key in scores if not scored.get(key)]
        if brought:
            keys = [*keys, *(key for key in brought if key not in scored)]
            entries = joined([entries, *(self._absent(key) for key in keys[len(scored) :])])
            for key in brought:
                self._bring_in(entries, keys.index(key), self.dense[key])
            entries = entries._replace(order=self._scope.numbering.order(entries.document))
        told = {
            name: np.array([values.get(key, np.nan) for key in keys])
            for name, values in (("score", scores), ("distance", distances))
        }
        return entries._replace(**told)

    def _absent(self, key: Key) -> Entries:
        """The entry of a document that was not found; it is known where that stands."""
        _, document = self._scope.numbering.number(self.dense[key].place)
        return blank(*(np.array([one], np.int64) for one in (self._question, document, 0)))

    def _bring_in(self, entries: Entries, at: int, hit: Hit) -> None:
        """Let an entry stand where memory has it, in the dense list."""
        entries.chunk[at], _ = self._scope.numbering.number(hit.place)
        entries.text[at], entries.cosine[at] = hit.text, hit.score


class _Scored(Collection[Key]):
    def __init__(self, ranking: Ranking) -> None:
        self._ranking = ranking

    def __contains__(self, key: object) -> bool:
        return key in self._ranking.scores

    def __iter__(self) -> Iterator[Key]:
        return iter(self._ranking.scores)

    def __len__(self) -> int:
        return len(self._ranking.scores)
