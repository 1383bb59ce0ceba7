"""Recorded outcomes by question and by document, with what they say about themselves: all that a search asks of memory.

A fit is made for each corpus when it is first needed after a change. It looks at the judgements of as many documents,
those of least digest, as together have 4,000, so that its cost is bounded; most changes of a large memory do not touch
it.
"""

import hashlib
from bisect import bisect_left, insort
from collections.abc import Container, Iterable

import numpy as np

from engine.memory.fit import Fit, Floats, Sample, fit
from engine.memory.playbook import Near, Playbook, same_role
from engine.memory.questions import Questions, Vector
from engine.search.fusion import Key
from engine.search.generation import Generation
from engine.search.segment import Segment

LEAST_COSINE = 0.35
NEAREST = 64  # recorded questions that count for one that is asked
JUDGEMENTS = 4000  # of one corpus that a fit looks at
A_DOCUMENT = 64  # of one document that a fit looks at
SHOWN = 10  # documents that are shown for a question: those of which nothing is told were not right
COMPARED = 8  # judgements, of the nearest questions, from which another one is predicted


class Evidence:
    """The outcomes of one model. Not safe for threads by itself."""

    def __init__(self) -> None:
        """None yet."""
        self.questions = Questions()
        self._asked: dict[str, dict[str, tuple[Key, Playbook]]] = {}  # by question and playbook_id
        self._judged: dict[Key, dict[str, Playbook]] = {}  # by document and playbook_id
        self._order: dict[str, list[tuple[bytes, Key]]] = {}  # by corpus: its judged documents by their digests
        self._fits: dict[str, tuple[object, Fit]] = {}  # by corpus: what the fit was made of, and the fit
        self._places: dict[tuple[str, str], tuple[object, dict[str, int]]] = {}  # by corpus and question: see _placed
        self._fresh: dict[str, str] = {}  # by corpus: the generation for which its fit is known to hold

    def add(self, playbook: Playbook, vector: Vector) -> None:
        """Take an outcome in, in the place of one of the same id."""
        self.questions.add(playbook.query, vector)
        self._asked.setdefault(playbook.query, {})[playbook.playbook_id] = (playbook.key, playbook)
        if playbook.key not in self._judged:
            self._judged[playbook.key] = {}
            insort(self._order.setdefault(playbook.corpus, []), (_digest(playbook.key), playbook.key))
        self._judged[playbook.key][playbook.playbook_id] = playbook
        self._fresh.pop(playbook.corpus, None)

    def remove(self, playbook: Playbook) -> None:
        """Forget an outcome that is there; its question goes with its last one."""
        del self._asked[playbook.query][playbook.playbook_id]
        if not self._asked[playbook.query]:
            del self._asked[playbook.query]
            self._places.pop((playbook.corpus, playbook.query), None)
            self.questions.remove(playbook.query)
        del self._judged[playbook.key][playbook.playbook_id]
        if not self._judged[playbook.key]:
            del self._judged[playbook.key]
            order = self._order[playbook.corpus]
            del order[bisect_left(order, (_digest(playbook.key), playbook.key))]
        self._fresh.pop(playbook.corpus, None)

    def failures(self, key: Key) -> int:
        """How many judgements say that a document was wrong."""
        return sum(one.score < 0.5 for one in self._judged.get(key, {}).values())

    def near(
        self, question: Vector, role: str | None, wanted: Container[Key], without: str | None = None
    ) -> list[Near]:
        """The judgements of `wanted` documents for questions near to one (float32, unit length), of a fitting role.

        `without`: a recorded question to leave out, as if it had never been asked.
        """
        found = []
        for text, cosine in self.questions.near(question, LEAST_COSINE, NEAREST):
            if text != without:
                found += [
                    Near(one, 1 - cosine)
                    for key, one in self._asked[text].values()
                    if key in wanted and same_role(one.role, role)
                ]
        return found

    def fits(self, generations: Iterable[Generation]) -> dict[str, Fit]:
        """The fit of each corpus, made anew where the outcomes or the documents are others than before."""
        made = {}
        for generation in generations:
            corpus = generation.corpus
            if self._fresh.get(corpus) != generation.name:
                chosen = self._chosen(corpus)
                state = (generation.name, [(one, sorted(self._asked[one.query])) for one in chosen])
                if corpus not in self._fits or self._fits[corpus][0] != state:
                    self._fits[corpus] = (state, fit(self._sample(chosen, generation)))
                self._fresh[corpus] = generation.name
            made[corpus] = self._fits[corpus][1]
        return made

    def _chosen(self, corpus: str) -> list[Playbook]:
        """The judgements that a fit looks at, those of a document together."""
        chosen: list[Playbook] = []
        for _, key in self._order.get(corpus, ()):
            if len(chosen) >= JUDGEMENTS:
                break
            judged = self._judged[key]
            chosen += [judged[id] for id in sorted(judged)[:A_DOCUMENT]]
        return chosen

    def _sample(self, chosen: list[Playbook], generation: Generation) -> Sample:
        starts = [at for at in range(len(chosen)) if at == 0 or chosen[at].key != chosen[at - 1].key]
        pairs = [
            _pairs(start, np.stack([self.questions.vector(one.query) for one in chosen[start:end]]))
            for start, end in zip(starts, [*starts[1:], len(chosen)], strict=True)
        ]
        of, by, cosines = (np.concatenate([pair[part] for pair in pairs] or [np.empty(0)]) for part in range(3))
        places = {query: self._placed(query, generation) for query in dict.fromkeys(one.query for one in chosen)}
        ranks = np.array([places[one.query][one.playbook_id] for one in chosen], np.float64)
        scores = np.array([one.score for one in chosen], np.float64)
        shown = np.array([max(1.0, SHOWN / len(places[one.query])) for one in chosen], np.float64)
        return Sample(scores, ranks, of.astype(np.int64), by.astype(np.int64), cosines, shown)

    def _placed(self, query: str, generation: Generation) -> dict[str, int]:
        """The rank, by cosine, of each document judged for a question; one that is gone is last."""
        judged = [one for _, one in self._asked[query].values() if one.corpus == generation.corpus]
        state = (generation.name, sorted(one.id for one in judged))
        kept = self._places.get((generation.corpus, query))
        if kept is not None and kept[0] == state:
            return kept[1]
        cosines = _cosines(generation, self.questions.vector(query), [one.id for one in judged])
        order = sorted(zip(judged, cosines, strict=True), key=lambda pair: (-pair[1], pair[0].id))
        places = {one.playbook_id: rank for rank, (one, _) in enumerate(order, 1)}
        self._places[generation.corpus, query] = (state, places)
        return places


def _digest(key: Key) -> bytes:
    return hashlib.sha256("\x1f".join(key).encode("utf-8", "surrogatepass")).digest()[:16]


def _pairs(start: int, vectors: Vector) -> tuple[Floats, Floats, Floats]:
    """Pairs of judgements of one document, rows from `start`: each with those of the nearest other questions."""
    cosines = (vectors @ vectors.T).astype(np.float64).round(6)
    np.fill_diagonal(cosines, -2)
    nearest = np.argsort(-cosines, axis=1, kind="stable")[:, : min(COMPARED, len(vectors) - 1)]
    of = np.repeat(np.arange(len(vectors)), nearest.shape[1])
    by = nearest.ravel()
    return (start + of).astype(np.float64), (start + by).astype(np.float64), cosines[of, by]


def _cosines(generation: Generation, question: Vector, ids: list[str]) -> list[float]:
    """Cosine of a question with the first chunk of each document, -1 where it is gone."""
    found = [-1.0] * len(ids)
    rows: dict[int, list[tuple[int, int]]] = {}
    for at, id in enumerate(ids):
        position, document = generation.places.get(id, (-1, -1))
        chunk = _first_chunk(generation.segments[position], document) if position >= 0 else None
        if chunk is not None:
            rows.setdefault(position, []).append((at, chunk))
    for position, pairs in rows.items():
        chunks = np.array([chunk for _, chunk in pairs], np.int64)
        for (at, _), cosine in zip(pairs, generation.segments[position].cosines(question, chunks), strict=True):
            found[at] = round(float(cosine), 6)
    return found


def _first_chunk(segment: Segment, document: int) -> int | None:
    rows, first = segment.first_chunks
    at = int(np.searchsorted(rows, document))
    return int(first[at]) if at < len(rows) and rows[at] == document else None
