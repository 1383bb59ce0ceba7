"""A corpus of bare vectors under the SQL: its engines, and what filters cost, beside bare hnswlib on the very graph."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from bench.figures import Figures, cpu, middle
from bench.search_lake import K, Real
from engine.search import build, retrieval, segment
from engine.search.generation import Generation, Graph, Manifest, Shared
from engine.search.retrieval import How, Scope
from engine.search.segment import Contents
from engine.search.vectors import choosing
from engine.search.vectors.choosing import Wish
from engine.search.vectors.protocol import Vectors, Work

FILTERED = 1.2  # times the better of comparing the subset and walking the graph
SELECTIVITIES = (0.5, 0.1, 0.01, 0.001)


def generation(root: Path, vectors: Vectors) -> Manifest:
    """A generation of one segment with a document a vector, without index."""
    rows = len(vectors)
    ids = pa.array([f"d{row:07d}" for row in range(rows)])
    blank = pa.array([b"\0" * 16] * rows, pa.binary(16))
    documents = pa.table({"_id": ids, "_sha": blank, "_metadata": pa.array(["{}"] * rows, pa.large_string())})
    positions = pa.array(np.arange(rows, dtype=np.int32))
    digests = pa.array([row.to_bytes(16, "big") for row in range(rows)], pa.binary(16))
    zero = pa.array(np.zeros(rows, np.int64))
    columns = [
        positions,
        pa.array(np.zeros(rows, np.int32)),
        zero,
        zero,
        pa.array(["x"] * rows, pa.large_string()),
        digests,
    ]
    chunks = pa.table(columns, schema=segment.CHUNK_SCHEMA)
    part = build.write_segment(root, "g000001", Contents(documents, chunks, vectors))
    return Manifest("given", "g000001", "given", "0" * 64, vectors.shape[1], 256, 0.0, [part])


@dataclass(frozen=True)
class Built:
    """A generation with an index, and what its build cost."""

    opened: Generation
    cpu: float  # seconds
    megabytes: float


class Corpus:
    """Vectors as the one segment of a generation, with questions and their true answers."""

    def __init__(self, root: Path, vectors: Vectors, questions: Vectors) -> None:
        """`root`: an empty folder."""
        self.root, self.questions = root, questions
        self._manifest = generation(root, vectors)
        self.plain = self._open(self._manifest)
        self.truth = self.found(self.plain, How(exact=True))

    def _open(self, manifest: Manifest) -> Generation:
        return Generation(self.root, manifest, Shared({}, {}))

    def indexed(self, wish: Wish, compact_rows: int = 1 << 60) -> Built:
        """The generation with an index."""
        vectors = self.plain.segments[0].vectors
        choice = choosing.choose(wish, len(vectors), "auto", compact_rows)
        folder = self.root / f"graph-{choice.engine}"
        folder.mkdir(exist_ok=True)
        work = Work(lambda: os.cpu_count() or 1, lambda: None, lambda done, total: None)
        index = choosing.ENGINES[choice.engine]
        seconds = cpu(lambda: index.build(vectors, choice.parameters, work).save(folder))
        graph = Graph(choice.engine, choice.parameters, "g000001", folder.name, segment.settled(folder))
        made = Manifest(**{**vars(self._manifest), "engine": choice.engine, "graph": graph})
        size = sum(path.stat().st_size for path in folder.iterdir()) / 1e6
        return Built(self._open(made), seconds, size)

    def found(self, opened: Generation, how: How, masks: list[Any] | None = None) -> list[set[int]]:
        """The rows that each question finds."""
        ask = self._asking(opened, how, masks)
        return [{int(key.id[1:]) for key in ask(turn)} for turn in range(len(self.questions))]

    def recall(self, found: list[set[int]], truth: list[set[int]] | None = None) -> float:
        """Share of the true neighbours that were found."""
        pairs = list(zip(found, truth or self.truth, strict=True))
        return sum(len(one & true) for one, true in pairs) / max(1, sum(len(true) for _, true in pairs))

    def cost(self, opened: Generation, how: How, masks: list[Any] | None = None) -> float:
        """CPU milliseconds of one question: the best of three medians."""
        ask = self._asking(opened, how, masks)
        return min(middle(ask, range(len(self.questions))) for _ in range(3))

    def _asking(self, opened: Generation, how: How, masks: list[Any] | None) -> Callable[[int], retrieval.Found]:
        scope = Scope([opened], {"given": masks or opened.alive}, filtered=masks is not None)
        return lambda turn: retrieval.dense(scope, self.questions[turn][np.newaxis], K, how)[0]


def engines(figures: Figures, given: Real, root: Path) -> None:
    """Build and search with every engine."""
    corpus = Corpus(root, given.vectors, given.asked)
    rows = len(given.vectors)
    figures.add(f"{rows:,} real vectors, everything compared", f"{corpus.cost(corpus.plain, How()):.2f} ms, recall 1")
    built = {}
    for engine in ("hnswlib", "usearch", "compact"):
        if choosing.failure(engine) is None:
            made = built[engine] = corpus.indexed(Wish(engine))
            figures.add(f"{engine}: index built", f"{made.cpu:.1f} s CPU, {made.megabytes:.0f} MB")
            for ef in (None,) if engine == "compact" else (64, 128, 256):
                recall = corpus.recall(corpus.found(made.opened, How(ef=ef)))
                what = f"{engine}: one question, k = {K}" + (f", ef = {ef}" if ef else "")
                figures.add(what, f"{corpus.cost(made.opened, How(ef=ef)):.2f} ms CPU, recall {recall:.3f}")
    filtered(figures, corpus, {name: one.opened for name, one in built.items()})


def filtered(figures: Figures, corpus: Corpus, opened: dict[str, Generation]) -> None:
    """The same under filters; masks are given, so this is the cost of the search alone."""
    chance = np.random.default_rng(5)
    rows = len(corpus.plain.segments[0].document_of)
    for share in SELECTIVITIES:
        masks = [chance.random(rows) < share]
        truth = corpus.found(corpus.plain, How(exact=True), masks)
        subset = corpus.cost(corpus.plain, How(exact=True), masks)
        for engine, made in opened.items():
            recall = corpus.recall(corpus.found(made, How(), masks), truth)
            taken = corpus.cost(made, How(), masks)
            what = f"{engine}: filter that keeps {share:.1%}"
            bound = f"recall 1, ≤ {FILTERED} × {subset:.2f} of the subset"
            holds = recall == 1 and taken <= FILTERED * subset
            figures.add(what, f"{taken:.2f} ms CPU, recall {recall:.3f}", bound, holds)
