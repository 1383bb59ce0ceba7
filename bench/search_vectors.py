"""What vector search costs and finds: the product beside bare hnswlib in one run, CPU time of the calling thread.

python bench/search.py [--rows 100000] [--large 1000000] [--write]

The vectors are semi-synthetic, since embedding 100,000 sentences takes a quarter of an hour: 384 dimensions, a common
mean, 2,000 centres in a subspace that falls off as the spectrum of MiniLM does (90 % of the variance in about 190
directions), noise around them, unit length, seed 20261. Questions are drawn alike and are not among the rows.
"""

import argparse
import os
import platform
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from engine.search import build, retrieval, segment
from engine.search.generation import Generation, Graph, Manifest, Shared
from engine.search.retrieval import How, Scope
from engine.search.segment import Contents
from engine.search.vectors import choosing, exact
from engine.search.vectors.choosing import Wish
from engine.search.vectors.compact import Compact
from engine.search.vectors.protocol import Vectors, Work

DIMENSION, CENTRES, QUESTIONS, K = 384, 2000, 200, 10
REPORT = Path(__file__).parents[1] / "docs" / "benchmarks.md"
LINES: list[str] = []


def say(line: str = "") -> None:
    """One line of the report."""
    print(line, flush=True)
    LINES.append(line)


def drawn(rows: int, seed: int) -> Vectors:
    """Semi-synthetic unit vectors, see above."""
    fixed, chance = np.random.default_rng(20261), np.random.default_rng(seed)
    spread = np.exp(-np.arange(DIMENSION) / 85).astype(np.float32)
    mean = 0.33 * fixed.standard_normal(DIMENSION, np.float32) * np.sqrt(np.mean(spread**2))
    centres = fixed.standard_normal((CENTRES, DIMENSION), np.float32) * spread
    turn, _ = np.linalg.qr(fixed.standard_normal((DIMENSION, DIMENSION)))
    made = np.empty((rows, DIMENSION), np.float32)
    for start in range(0, rows, 50_000):
        count = min(50_000, rows - start)
        noise = chance.standard_normal((count, DIMENSION), np.float32) * spread
        block = (0.6 * centres[chance.integers(0, CENTRES, count)] + 0.8 * noise + mean) @ turn.astype(np.float32)
        made[start : start + count] = block / np.linalg.norm(block, axis=1, keepdims=True)
    return made


def milliseconds(work: Callable[[int], object], times: int = QUESTIONS) -> tuple[float, float]:
    """Median and 99th percentile of the CPU time of the process for one call."""
    taken = []
    for turn in range(times):
        started = time.process_time()
        work(turn)
        taken.append(time.process_time() - started)
    return float(np.median(taken)) * 1000, float(np.percentile(taken, 99)) * 1000


def generation(root: Path, vectors: Vectors) -> Manifest:
    """A generation of one segment with a document a vector, without index."""
    rows = len(vectors)
    ids = pa.array([f"d{row:07d}" for row in range(rows)])
    blank = pa.array([b"\0" * 16] * rows, pa.binary(16))
    documents = pa.table({"_id": ids, "_sha": blank, "_metadata": pa.array(["{}"] * rows, pa.large_string())})
    positions = pa.array(np.arange(rows, dtype=np.int32))
    zero = pa.array(np.zeros(rows, np.int64))
    columns = [
        positions,
        pa.array(np.zeros(rows, np.int32)),
        zero,
        zero,
        pa.array(["x"] * rows, pa.large_string()),
        blank,
    ]
    chunks = pa.table(columns, schema=segment.CHUNK_SCHEMA)
    part = build.write_segment(root, "g000001", Contents(documents, chunks, vectors))
    return Manifest("bench", "g000001", "semi-synthetic", "0" * 64, DIMENSION, 256, 0.0, [part])


class Bench:
    """One corpus with its questions and their true answers."""

    def __init__(self, root: Path, rows: int) -> None:
        self.root = root
        self.vectors = drawn(rows, 1)
        self.questions = drawn(QUESTIONS, 2)
        self.manifest = generation(root, self.vectors)
        self.opened = self.open(self.manifest)
        scores = self.questions @ self.vectors.T
        self.truth = [set(np.argpartition(-row, K)[:K].tolist()) for row in scores]

    def open(self, manifest: Manifest) -> Generation:
        """A generation that shares nothing."""
        return Generation(self.root, manifest, Shared({}, {}))

    def indexed(self, engine: str, ef: int | None = None) -> tuple[Generation, float, float]:
        """The generation with an index; CPU and wall seconds of its build."""
        choice = choosing.choose(Wish(engine), len(self.vectors), "auto", 1 << 60)
        folder = self.root / f"graph-{engine}"
        folder.mkdir(exist_ok=True)
        work = Work(os.cpu_count() or 1, lambda: None, lambda done, total: None)
        cpu, wall = time.process_time(), time.monotonic()
        choosing.ENGINES[engine].build(self.opened.segments[0].vectors, choice.parameters, work).save(folder)
        cpu, wall = time.process_time() - cpu, time.monotonic() - wall
        graph = Graph(engine, choice.parameters, "g000001", folder.name, segment.settled(folder))
        made = Manifest(**{**vars(self.manifest), "engine": engine, "graph": graph})
        return self.open(made), cpu, wall

    def found(self, opened: Generation, how: How, masks: list[Any] | None = None) -> list[set[int]]:
        """The rows that each question finds."""
        scope = Scope([opened], {"bench": masks or opened.alive})
        return [
            {int(key.id[1:]) for key in retrieval.dense(scope, question[np.newaxis], K, how)[0]}
            for question in self.questions
        ]

    def recall(self, found: list[set[int]], truth: list[set[int]] | None = None) -> float:
        """Share of the true neighbours that were found."""
        pairs = list(zip(found, truth or self.truth, strict=True))
        return sum(len(one & true) for one, true in pairs) / max(1, sum(len(true) for _, true in pairs))

    def cost(self, opened: Generation, how: How, masks: list[Any] | None = None) -> tuple[float, float]:
        """CPU milliseconds of one question through the product."""
        scope = Scope([opened], {"bench": masks or opened.alive})
        return milliseconds(lambda turn: retrieval.dense(scope, self.questions[turn][np.newaxis], K, how))


def row(*cells: object) -> None:
    """A row of a table."""
    say("| " + " | ".join(f"{cell:.2f}" if isinstance(cell, float) else str(cell) for cell in cells) + " |")


def heading(title: str, *columns: str) -> None:
    """A title and the head of a table."""
    say()
    say(f"## {title}")
    say()
    row(*columns)
    row(*["---"] * len(columns))


def engines(bench: Bench) -> dict[str, Generation]:
    """Build and search with every engine, and with bare hnswlib on its very graph."""
    opened: dict[str, Generation] = {"exact": bench.opened}
    heading(f"Build, {len(bench.vectors):,} × {DIMENSION}", "engine", "CPU s", "wall s", "files MB")
    for engine in ("hnswlib", "usearch", "compact"):
        if choosing.failure(engine) is None:
            made, cpu, wall = bench.indexed(engine)
            opened[engine] = made
            size = sum(path.stat().st_size for path in (bench.root / f"graph-{engine}").iterdir())
            row(engine, cpu, wall, size / 1e6)
    heading("One question, k = 10", "what", "ef", "recall@10", "p50 ms", "p99 ms")
    blas = milliseconds(lambda turn: bench.vectors @ bench.questions[turn])
    row("numpy `matrix @ question` (OpenBLAS, its own threads)", "", 1.0, *blas)
    row("product, exact", "", bench.recall(bench.found(bench.opened, How())), *bench.cost(bench.opened, How()))
    for engine, made in opened.items():
        for ef in (64, 128, 192, 400) if engine in ("hnswlib", "usearch") else (None,) if engine == "compact" else ():
            if engine == "hnswlib" and ef is not None:
                bare(bench, ef)
            how = How(ef=ef)
            row(f"product, {engine}", ef or "", bench.recall(bench.found(made, how)), *bench.cost(made, how))
    return opened


def bare(bench: Bench, ef: int) -> None:
    """The library alone, on the graph of the product."""
    import hnswlib

    graph = hnswlib.Index(space="ip", dim=DIMENSION)
    graph.load_index(str(bench.root / "graph-hnswlib" / "graph.hnsw"))
    graph.set_ef(ef)
    found = [set(graph.knn_query(one, k=K, num_threads=1)[0][0].tolist()) for one in bench.questions]
    cost = milliseconds(lambda turn: graph.knn_query(bench.questions[turn], k=K, num_threads=1))
    row("bare hnswlib, the same graph", ef, bench.recall(found), *cost)


def filtered(bench: Bench, opened: dict[str, Generation]) -> None:
    """The same under filters of four selectivities; masks are given, so this is the cost of the search alone."""
    heading("Filtered, k = 10", "kept", "what", "recall@10", "fewest rows", "p50 ms", "p99 ms")
    chance = np.random.default_rng(5)
    for share in (0.5, 0.1, 0.01, 0.001):
        masks = [chance.random(len(bench.vectors)) < share]
        truth = bench.found(bench.opened, How(exact=True), masks)
        for engine, made in opened.items():
            found = bench.found(made, How(ef=64), masks)
            fewest = min(len(one) for one in found)
            row(f"{share:.1%}", engine, bench.recall(found, truth), fewest, *bench.cost(made, How(ef=64), masks))


def large(folder: Path, rows: int) -> None:
    """Binary codes over a large corpus, without a graph."""
    vectors, questions = drawn(rows, 1), drawn(50, 2)
    work = Work(1, lambda: None, lambda done, total: None)
    started = time.process_time()
    index = Compact.build(vectors, {}, work)
    built = time.process_time() - started
    np.save(folder / "vectors.npy", vectors)
    truth = [set(np.argpartition(-(vectors @ one), K)[:K].tolist()) for one in questions]
    mapped = np.load(folder / "vectors.npy", mmap_mode="r")
    del vectors
    heading(f"Compact, {rows:,} × {DIMENSION}, floats mapped from disk", "candidates", "recall@10", "p50 ms", "p99 ms")

    def ask(turn: int, count: int) -> set[int]:
        rows = index.candidates(questions[turn], count, None)
        return set(rows[exact.best(exact.cosines(mapped, questions[turn], rows), K)].tolist())

    for count in (1000, 2000, 4000):
        found = [ask(turn, count) for turn in range(len(questions))]
        recall = sum(len(one & true) for one, true in zip(found, truth, strict=True)) / (K * len(questions))
        row(count, recall, *milliseconds(lambda turn, count=count: ask(turn, count), len(questions)))  # type: ignore[misc]
    say()
    say(f"Codes in memory: {index.bytes / 1e6:.0f} MB. Made in {built:.1f} s of CPU.")


def main() -> None:
    """Run everything in a temporary folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--large", type=int, default=1_000_000)
    parser.add_argument("--write", action="store_true", help="write docs/benchmarks.md")
    given = parser.parse_args()
    say("# Benchmarks")
    say()
    say(f"`python bench/search.py --write`. {platform.machine()}, {os.cpu_count()} cores, numpy {np.__version__}.")
    say("CPU milliseconds of the process for one question at a time, over 200 questions; load while it ran:")
    say(f"{os.getloadavg()[0]:.1f}. Compare rows with each other, not with another machine.")
    say()
    say(str(__doc__).split("\n\n", 2)[2].strip())
    with tempfile.TemporaryDirectory() as name:
        bench = Bench(Path(name), given.rows)
        filtered(bench, engines(bench))
        if given.large:
            large(Path(name), given.large)
    if given.write:
        REPORT.write_text("\n".join(LINES) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
