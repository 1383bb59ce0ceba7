"""The outcomes of a corpus by question and by document, with what they say about themselves: what a search asks of it.

A fit is made when it is first needed after a change. It looks at the judgements of as many documents, those of least
digest, as together have 4,000, so that its cost is bounded; most changes of a large memory do not touch it.
"""

import hashlib
from bisect import bisect_left, insort
from collections.abc import Iterable, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np

from engine.memory.belonging import LOOKED_AT, SMALLEST, USUAL, belonging
from engine.memory.density import LEAST_COSINE, Density
from engine.memory.documents import Documents, first_vectors
from engine.memory.fit import Fit, Floats, Sample, fit
from engine.memory.importance import EQUAL, Importance, importance
from engine.memory.playbook import SAME, Near, Neighbour, Playbook, same_role
from engine.memory.questions import Questions, Vector
from engine.memory.words import Overlap, Rows, Vocabulary, Words, difference, overlap, shares, words
from engine.search.fusion import Key
from engine.search.generation import Generation

NEAREST = 32  # recorded questions that count for one that is asked
JUDGEMENTS = 4000  # of one corpus that a fit looks at
A_DOCUMENT = 64  # of one document that a fit looks at
SHOWN = 10  # documents that are shown for a question: those of which nothing is told were not right
COMPARED = 8  # judgements, of the nearest questions, from which another one is predicted

DECIMALS = 6  # of a cosine: the last bits depend on what else is compared


class Asked(NamedTuple):
    """A question: its vector (float32, unit length), and its words; None where it came as a vector."""

    vector: Vector
    text: str | None


class _Judged(NamedTuple):
    """A judged document in the eyes of its question: the rank among those that were judged for it, and the cosine."""

    rank: int
    cosine: float


class _Answers(NamedTuple):
    """What was judged for a question: the numbers of the documents, and the judgements."""

    numbers: Rows
    playbooks: list[Playbook]


class _Learned(NamedTuple):
    """What the outcomes say about themselves, and of what that was made."""

    state: object
    fit: Fit
    importance: Importance


class Evidence:
    """The outcomes of one corpus, their questions embedded by one model. Not safe for threads by itself."""

    def __init__(self) -> None:
        """None yet."""
        self.questions = Questions()
        self._density = Density(self.questions)
        self._words: dict[str, Words] = {}  # by question
        self._vocabulary = Vocabulary()
        self._documents = Documents()
        self._asked: dict[str, dict[str, tuple[Key, Playbook]]] = {}  # by question and playbook_id
        self._answers: dict[str, _Answers] = {}  # by question, of those that came near to another one
        self._judged: dict[Key, dict[str, Playbook]] = {}  # by document and playbook_id
        self._numbers: dict[Key, int] = {}  # of the judged documents
        self._free: list[int] = []  # numbers of those that are judged no more
        self._order: list[tuple[bytes, Key]] = []  # the judged documents by their digests
        self._learned: _Learned | None = None
        self._places: dict[str, tuple[object, dict[str, _Judged]]] = {}  # by question, see _placed
        self._fresh: str | None = None  # the identity of the generation for which the fit is known to hold

    def add(self, playbook: Playbook, vector: Vector) -> None:
        """Take an outcome in, in the place of one of the same id."""
        self.add_all([(playbook, vector)])

    def add_all(self, outcomes: Sequence[tuple[Playbook, Vector]]) -> None:
        """Take outcomes in, each with the vector of its question, in the place of those of the same ids."""
        new = {one.query: vector for one, vector in outcomes if one.query not in self._words}
        if new:
            self.questions.add_all(list(new), np.stack(list(new.values())))
        for text in new:
            self._words[text] = words(text)
            self._vocabulary.add(self._words[text])
            self._touched(text)
        for one, _ in outcomes:
            self._judge(one)

    def _judge(self, playbook: Playbook) -> None:
        key = playbook.key
        self._asked.setdefault(playbook.query, {})[playbook.playbook_id] = (key, playbook)
        self._answers.pop(playbook.query, None)
        if key not in self._judged:
            self._judged[key] = {}
            self._numbers[key] = self._free.pop() if self._free else len(self._numbers)
            insort(self._order, (_digest(key), key))
        self._judged[key][playbook.playbook_id] = playbook
        self._fresh = None

    def remove(self, playbook: Playbook) -> None:
        """Forget an outcome that is there; its question goes with its last one."""
        del self._asked[playbook.query][playbook.playbook_id]
        self._answers.pop(playbook.query, None)
        if not self._asked[playbook.query]:
            del self._asked[playbook.query]
            self._places.pop(playbook.query, None)
            self.questions.remove(playbook.query)
            self._touched(playbook.query)
            self._vocabulary.remove(self._words.pop(playbook.query))
        del self._judged[playbook.key][playbook.playbook_id]
        if not self._judged[playbook.key]:
            del self._judged[playbook.key]
            self._free.append(self._numbers.pop(playbook.key))
            del self._order[bisect_left(self._order, (_digest(playbook.key), playbook.key))]
        self._fresh = None

    def _touched(self, question: str) -> None:
        if self._density.touched(question):
            self._fresh = None

    def failures(self, key: Key) -> int:
        """How many judgements say that a document was wrong."""
        return sum(one.score < 0.5 for one in self._judged.get(key, {}).values())

    def nearest(self, asked: Asked, without: str | None = None) -> list[Neighbour]:
        """The recorded questions nearest to one, nearest first.

        `without`: a recorded question to leave out, as if it had never been asked.
        """
        said = None if asked.text is None else words(asked.text)
        found = self.questions.near(asked.vector, LEAST_COSINE, NEAREST)
        near = [Neighbour(*one, own=self._is_own(one, asked, said)) for one in found if one[0] != without]
        return [one for one in near if one.own or said is None or not self._is_blind(one, said)]

    def _is_own(self, near: tuple[str, float], asked: Asked, said: Words | None) -> bool:
        """Whether a recorded question is the one that is asked: a model may read the first words only."""
        text, cosine = near
        if 1 - cosine > SAME:
            return False
        return said is None or text == asked.text or (len(said) > 0 and np.array_equal(self._words[text], said))

    def _is_blind(self, near: Neighbour, said: Words) -> bool:
        """Whether the model cannot tell two questions apart that have no word in common: it knows none of them."""
        return 1 - near.cosine <= SAME and not len(np.intersect1d(self._words[near.text], said))

    def usual(self, asked: Asked) -> float:
        """How near recorded questions usually are to one, as `density.usual` has it."""
        return float(self._density.usual(asked.vector[None], [asked.text])[0])

    def judgements(
        self, near: Sequence[Neighbour], usual: float, role: str | None, wanted: Iterable[Key]
    ) -> list[Near]:
        """What was judged of `wanted` documents for recorded questions, in a role that fits."""
        if not near:
            return []
        is_wanted = np.zeros(len(self._numbers) + len(self._free), np.bool_)
        known = map(self._numbers.get, wanted)
        is_wanted[[number for number in known if number is not None]] = True
        answers = [self._answers_to(one.text) for one in near]
        ends = np.cumsum([len(one.numbers) for one in answers])
        hits = np.flatnonzero(is_wanted[np.concatenate([one.numbers for one in answers])])
        asked = np.searchsorted(ends, hits, side="right")
        places = hits - ends[asked]  # from the end of the answers to its question
        found = (
            Near(answers[at].playbooks[place], 1 - near[at].cosine, usual=usual, own=near[at].own)
            for at, place in zip(asked.tolist(), places.tolist(), strict=True)
        )
        return [one for one in found if same_role(one.playbook.role, role)]

    def _answers_to(self, text: str) -> _Answers:
        known = self._answers.get(text)
        if known is None:
            pairs = self._asked[text].values()
            numbers = np.array([self._numbers[key] for key, _ in pairs], np.int64)
            known = self._answers[text] = _Answers(numbers, [one for _, one in pairs])
        return known

    def sharing(self, near: Sequence[Near], asked: Asked) -> list[Near]:
        """The judgements, each with what its question has in common with the one asked, as far as words tell."""
        if asked.text is None or not near:
            return list(near)
        texts = {text: at for at, text in enumerate(dict.fromkeys(one.playbook.query for one in near))}
        said = [*(self._words[text] for text in texts), words(asked.text)]
        pairs = np.arange(len(texts)), np.full(len(texts), len(texts))
        known = (share.tolist() for share in _sharing(said, *pairs, self._importance(), self._vocabulary))
        common, idle = (dict(zip(texts, share, strict=True)) for share in known)
        return [one._replace(common=common[one.playbook.query], idle=idle[one.playbook.query]) for one in near]

    def _importance(self) -> Importance:
        """What words tell where a question is compared with the recorded ones."""
        return self._learned.importance if self._learned else EQUAL

    def compared(self, near: Sequence[Near], asked: Asked, generation: Generation) -> list[Near]:
        """The judgements, each with how much better its document suits the recorded question than the one asked."""
        return self._compared(near, asked, generation) if near else []

    def _compared(self, near: Sequence[Near], asked: Asked, generation: Generation) -> list[Near]:
        texts = list(dict.fromkeys(one.playbook.query for one in near))
        ids = list(dict.fromkeys(one.playbook.id for one in near))
        numbers = {text: at for at, text in enumerate(texts)}, {id: at for at, id in enumerate(ids)}
        recorded = np.array([numbers[0][one.playbook.query] for one in near], np.int64)
        judged = np.array([numbers[1][one.playbook.id] for one in near], np.int64)
        vectors, _ = first_vectors(generation, ids)
        questions = np.stack([self.questions.vector(text) for text in texts])
        nearer = np.vecdot(vectors[judged], questions[recorded]) - np.vecdot(vectors, asked.vector)[judged]
        nearer = nearer.astype(np.float64).round(DECIMALS)
        more_words = np.zeros(len(near))
        if asked.text is not None:
            said = [self._words[text] for text in texts] + [words(asked.text)]
            held = [self._documents.words(generation, id) for id in ids]
            pairs = (np.concatenate([recorded, np.full(len(ids), len(texts))]), np.append(judged, np.arange(len(ids))))
            weigh = self._importance().weighing(self._vocabulary)
            common, weight = overlap(said, held, *pairs, weigh)
            one, other = (Overlap(common[rows], weight[rows]) for rows in (slice(len(near)), len(near) + judged))
            more_words = difference(one, other)
        better = zip(near, more_words.tolist(), nearer.tolist(), strict=True)
        return [one._replace(words=by_words, meaning=by_meaning) for one, by_words, by_meaning in better]

    def fit_to(self, generation: Generation) -> Fit:
        """What the outcomes say about themselves, found anew where these or the documents are others than before."""
        if self._learned is None or self._fresh != generation.identity:
            chosen = self._chosen()
            judged = [(one, sorted(self._asked[one.query])) for one in chosen]
            state = (generation.identity, judged, self._density.references)
            if self._learned is None or self._learned.state != state:
                sample, telling = self._sample(chosen, generation)
                self._learned = _Learned(state, fit(sample), telling)
            self._fresh = generation.identity
        return self._learned.fit

    def _chosen(self) -> list[Playbook]:
        """The judgements that a fit looks at, those of a document together."""
        chosen: list[Playbook] = []
        for _, key in self._order:
            if len(chosen) >= JUDGEMENTS:
                break
            judged = self._judged[key]
            chosen += [judged[id] for id in sorted(judged)[:A_DOCUMENT]]
        return chosen

    def _sample(self, chosen: list[Playbook], generation: Generation) -> tuple[Sample, Importance]:
        """The judgements as a fit sees them, and what the words of their questions tell: it sees no other questions."""
        starts = [at for at in range(len(chosen)) if at == 0 or chosen[at].key != chosen[at - 1].key]
        pairs = [
            _pairs(start, np.stack([self.questions.vector(one.query) for one in chosen[start:end]]))
            for start, end in zip(starts, [*starts[1:], len(chosen)], strict=True)
        ]
        parts = (np.concatenate([pair[part] for pair in pairs] or [np.empty(0)]) for part in range(3))
        of, by, cosines = next(parts).astype(np.int64), next(parts).astype(np.int64), next(parts)
        places = {query: self._placed(query, generation) for query in dict.fromkeys(one.query for one in chosen)}
        seen = [places[one.query][one.playbook_id] for one in chosen]
        usual = self._usual(list(places))
        scores = np.array([one.score for one in chosen], np.float64)
        asked, answering = (_numbered([getattr(one, name) for one in chosen]) for name in ("query", "id"))
        said = [self._words[text] for text in places]
        held = [self._documents.words(generation, id) for id in dict.fromkeys(one.id for one in chosen)]
        telling, vocabulary = importance(said, held, asked, answering, scores), Vocabulary(said)
        shared, idle = _sharing(said, asked[of], asked[by], telling, vocabulary)
        sample = Sample(
            scores=scores,
            questions=asked,
            ranks=np.array([one.rank for one in seen], np.float64),
            words=overlap(said, held, asked, answering, telling.weighing(vocabulary)),
            meaning=np.array([one.cosine for one in seen], np.float64),
            shown=np.array([max(1.0, SHOWN / len(places[one.query])) for one in chosen], np.float64),
            usual=np.array([usual[one.query] for one in chosen], np.float64),
            of=of,
            by=by,
            cosines=cosines,
            common=shared,
            idle=idle,
            belonging=self._belonging(chosen, generation),
        )
        return sample, telling

    def _belonging(self, chosen: list[Playbook], generation: Generation) -> float:
        """How far what was judged wrong belongs to its questions; in a small corpus as far as is usual."""
        wrong = [one for one in chosen if one.score < 0.5][:LOOKED_AT]
        documents, there = first_vectors(generation, [one.id for one in wrong])
        if not there.any() or generation.manifest.documents < SMALLEST:
            return USUAL
        questions, references = (
            np.stack([self.questions.vector(text) for text in texts])
            for texts in ([one.query for one in wrong], self._density.references[: 2 * LOOKED_AT])
        )
        return belonging(questions[there], documents[there], references)

    def _usual(self, questions: list[str]) -> dict[str, float]:
        """How near other recorded questions usually are to each."""
        vectors = [self.questions.vector(text) for text in questions]
        usual = self._density.usual(np.stack(vectors), questions).tolist() if vectors else []
        return dict(zip(questions, usual, strict=True))

    def _placed(self, query: str, generation: Generation) -> dict[str, _Judged]:
        """How each document judged for a question stands by its cosine; one that is gone is last."""
        judged = [one for _, one in self._asked[query].values()]
        state = (generation.identity, sorted(one.id for one in judged))
        kept = self._places.get(query)
        if kept is not None and kept[0] == state:
            return kept[1]
        vectors, there = first_vectors(generation, [one.id for one in judged])
        compared = np.vecdot(vectors, self.questions.vector(query)).astype(np.float64).round(DECIMALS)
        cosines = np.where(there, compared, -1.0).tolist()
        order = sorted(zip(judged, cosines, strict=True), key=lambda pair: (-pair[1], pair[0].id))
        places = {one.playbook_id: _Judged(rank, cosine) for rank, (one, cosine) in enumerate(order, 1)}
        self._places[query] = (state, places)
        return places


def _sharing(
    said: list[Words], one: Rows, other: Rows, telling: Importance, vocabulary: Vocabulary
) -> tuple[Floats, Floats]:
    """What pairs of questions have in common of their words, and of those that tell nothing, as far as is believed."""
    shared, idle = shares(said, one, other, partial(telling.apart, vocabulary))
    return vocabulary.believed(shared), idle * vocabulary.trust


def _numbered(names: list[str]) -> Rows:
    """Each name by its number, in the order in which they come first."""
    numbers = {name: at for at, name in enumerate(dict.fromkeys(names))}
    return np.array([numbers[name] for name in names], np.int64)


def _digest(key: Key) -> bytes:
    return hashlib.sha256("\x1f".join(key).encode("utf-8", "surrogatepass")).digest()[:16]


def _pairs(start: int, vectors: Vector) -> tuple[Floats, Floats, Floats]:
    """Pairs of judgements of one document, rows from `start`: each with those of the nearest other questions."""
    cosines = (vectors @ vectors.T).astype(np.float64).round(DECIMALS)
    np.fill_diagonal(cosines, -2)
    nearest = np.argsort(-cosines, axis=1, kind="stable")[:, : min(COMPARED, len(vectors) - 1)]
    of = np.repeat(np.arange(len(vectors)), nearest.shape[1])
    by = nearest.ravel()
    return (start + of).astype(np.float64), (start + by).astype(np.float64), cosines[of, by]
