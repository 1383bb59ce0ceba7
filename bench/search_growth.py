"""How a corpus behaves as it grows, with vectors that are drawn, since embedding a million sentences takes an hour.

They are semi-synthetic: 384 dimensions, a common mean, 2,000 centres in a subspace that falls off as the spectrum of
MiniLM does (90 % of the variance in about 190 directions), noise around them, unit length, seed 20261. Questions are
drawn alike and are not among the rows.
"""

import tempfile
from pathlib import Path

import numpy as np

from bench.figures import Figures
from bench.search_vectors import Corpus
from engine.search.retrieval import How
from engine.search.vectors.choosing import Wish
from engine.search.vectors.compact import Compact
from engine.search.vectors.protocol import Vectors

DIMENSION, CENTRES, QUESTIONS = 384, 2000, 100
SIZES = (10_000, 30_000, 100_000, 300_000, 1_000_000)
WIDTHS, RECALL = (64, 96, 128, 192, 256, 400), 0.95
EXACT_ROWS, COMPACT_ROWS = 20_000, 500_000  # as [search] has them
LARGE, LARGE_MS, LARGE_MB, LARGE_RECALL = 1_000_000, 15.0, 100.0, 0.99


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


def growth(figures: Figures, largest: int) -> None:
    """The usual engine at each size: latency, recall, build time, memory and disk."""
    questions = drawn(QUESTIONS, 2)
    for rows in (one for one in SIZES if one <= largest):
        with tempfile.TemporaryDirectory() as folder:
            corpus = Corpus(Path(folder), drawn(rows, 1), questions)
            _one_size(figures, corpus, rows)


def _one_size(figures: Figures, corpus: Corpus, rows: int) -> None:
    disk = sum(path.stat().st_size for path in corpus.root.rglob("*") if path.is_file()) / 1e6
    if rows < EXACT_ROWS:
        engine, opened, built, memory = "exact", corpus.plain, 0.0, 0.0
    else:
        made = corpus.indexed(Wish(), COMPACT_ROWS)
        engine, opened, built, memory = made.opened.manifest.engine, made.opened, made.cpu, made.megabytes
        disk += memory
    for how in [How(ef=width) for width in WIDTHS] if engine in ("hnswlib", "usearch") else [How()]:
        recall = corpus.recall(corpus.found(opened, how))
        if recall >= RECALL:  # a build takes the least width that reaches [search] recall_floor
            break
    taken = corpus.cost(opened, how)
    text = f"{taken:.2f} ms CPU, recall {recall:.3f}; built in {built:.1f} s; index {memory:.0f}, disk {disk:.0f} MB"
    if rows < LARGE:
        figures.add(f"{rows:,} × {DIMENSION}, {engine}", text)
        return
    indexed = opened.indexed(0)
    assert indexed is not None
    assert isinstance(indexed.index, Compact)
    codes = indexed.index.bytes / 1e6
    holds = recall >= LARGE_RECALL and taken <= LARGE_MS and codes <= LARGE_MB
    bound = f"recall ≥ {LARGE_RECALL}, ≤ {LARGE_MS:g} ms, ≤ {LARGE_MB:g} MB in memory"
    what = f"{rows:,} × {DIMENSION}, {engine}, floats mapped from disk"
    figures.add(what, f"{text}; {codes:.0f} MB of codes", bound, holds)
