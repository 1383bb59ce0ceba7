"""How many of the true nearest documents a generation finds: recall@k against exact search.

The questions are recorded ones, where they are wanted, and then the vectors of sampled chunks, always the same ones for
the same seed; the document of a chunk itself does not count, since finding it is no achievement.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from engine.search import retrieval
from engine.search.filters import Mask
from engine.search.fusion import Key
from engine.search.generation import Generation
from engine.search.retrieval import Found, How, Scope
from engine.search.vectors.protocol import Vector, Vectors

SEED = 20262
TOGETHER = 64  # questions whose true answers are found by one product


@dataclass(frozen=True)
class Recall:
    """What was measured."""

    recall: float
    p50_ms: float
    p95_ms: float


@dataclass(frozen=True)
class Exam:
    """Questions with their true answers, to be put to a generation again and again."""

    scope: Scope
    questions: Vectors
    own: list[Key | None]  # the document that each question is taken from; None: a recorded question
    truth: list[set[Key]]
    k: int

    def of(self, generation: Generation) -> "Exam":
        """The same questions for a generation of the same segments with another index."""
        return replace(self, scope=replace(self.scope, generations=[generation]))

    def take(self, check: Callable[[], None], ef: int | None = None) -> Recall:
        """Ask every question once."""
        found, seconds = 0, []
        for question, own, truth in zip(self.questions, self.own, self.truth, strict=True):
            check()
            started = time.perf_counter()
            answer = retrieval.dense(self.scope, question[np.newaxis], self.k + 1, How(ef=ef))[0]
            seconds.append(time.perf_counter() - started)
            found += len(_top(answer, own, self.k) & truth)
        wanted = sum(len(truth) for truth in self.truth)
        p50, p95 = np.percentile(seconds, [50, 95]) * 1000 if seconds else (0.0, 0.0)
        return Recall(found / wanted if wanted else 1.0, float(p50), float(p95))


def set_exam(
    generation: Generation,
    masks: list[Mask],
    k: int,
    questions: int,
    check: Callable[[], None],
    seed: int = SEED,
    recorded: Sequence[Vector] = (),
) -> Exam:
    """So many questions about the documents in `masks` (one a segment), with their `k` true neighbours.

    `recorded`: vectors of questions that come first; the others are sampled chunks.
    """
    scope = Scope([generation], {generation.corpus: masks})
    asked: list[tuple[Vector, Key | None]] = [(vector, None) for vector in recorded[:questions]]
    asked += _sampled(generation, masks, questions - len(asked), seed)
    own = [key for _, key in asked]
    vectors = np.stack([vector for vector, _ in asked]) if asked else np.empty((0, generation.manifest.dimension))
    vectors, truth = vectors.astype(np.float32), []
    for start in range(0, len(asked), TOGETHER):
        check()
        some = slice(start, start + TOGETHER)
        found = retrieval.dense(scope, vectors[some], k + 1, How(exact=True))
        truth += [_top(answer, key, k) for answer, key in zip(found, own[some], strict=True)]
    return Exam(scope, vectors, own, truth, k)


def _sampled(generation: Generation, masks: list[Mask], questions: int, seed: int) -> Iterator[tuple[Vector, Key]]:
    """Chunks of the documents in `masks`, each with the document that it is of."""
    pools = [
        np.flatnonzero(mask[segment.document_of]) for segment, mask in zip(generation.segments, masks, strict=True)
    ]
    starts = np.cumsum([0, *(len(pool) for pool in pools)])
    chance = np.random.default_rng(seed)
    chosen = np.sort(chance.choice(starts[-1], min(questions, int(starts[-1])), replace=False))
    for number in chosen.tolist():
        at = int(np.searchsorted(starts, number, side="right")) - 1
        segment, chunk = generation.segments[at], int(pools[at][number - starts[at]])
        yield segment.vectors[chunk], Key(generation.corpus, segment.ids[int(segment.document_of[chunk])])


def _top(answer: Found, own: Key | None, k: int) -> set[Key]:
    keys = sorted((key for key in answer if key != own), key=lambda key: (-answer[key].score, key))
    return set(keys[:k])
