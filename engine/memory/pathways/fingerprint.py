"""Fingerprints of a pathway: its id (task, area, signal) and its vector of 32 buckets.

The original's bytes are not known beyond the formula of the id; what is chosen here is frozen by
`tests/engine/memory/pathway_golden.json` and must never change: recorded vectors are compared with new ones.
"""

import hashlib
from collections.abc import Iterable
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from engine.search.relevance.words import segments

BUCKETS = 32
PREFIX_SEGMENTS = 2

Vector = NDArray[np.float32]


def file_prefix(path: str) -> str:
    """The first two segments of a path: `crates/queryd` of `./crates/queryd/src/db.rs`."""
    return "/".join(segments(path)[:PREFIX_SEGMENTS])


def pathway_id(task_class: str, file: str, signal_class: str) -> str:
    """SHA-256 of `task_class|file_prefix|signal_class` in hex. `file` is a path or a prefix."""
    return hashlib.sha256(_bytes(f"{task_class}|{file_prefix(file)}|{signal_class}")).hexdigest()


@lru_cache(maxsize=65536)
def bucket(token: str) -> int:
    """The bucket of a token: the first byte of the SHA-256 of its trimmed lower case, modulo 32."""
    return hashlib.sha256(_bytes(token)).digest()[0] % BUCKETS


def vector(tokens: Iterable[str]) -> Vector:
    """Counts of tokens by bucket, float32 [32] of unit length, in any order; all zeros when there is none."""
    counts = np.zeros(BUCKETS, np.float64)
    for token in tokens:
        normal = token.strip().lower()
        if normal:
            counts[bucket(normal)] += 1.0
    length = float(np.linalg.norm(counts))
    return (counts / length if length else counts).astype(np.float32)


def place_tokens(task_class: str, file: str, signal_class: str) -> list[str]:
    """The tokens of where a task is done, known before it is begun."""
    parts = segments(file)
    named = {
        "task": task_class,
        "prefix": "/".join(parts[:PREFIX_SEGMENTS]),
        "file": "/".join(parts),
        "signal": signal_class,
    }
    return [f"{name}:{value}" for name, value in named.items() if value]


def cosine(one: Vector, other: Vector) -> float:
    """Cosine of two vectors, rounded so that equal ones give 1; 0 when one of them is all zeros."""
    length = float(np.linalg.norm(one)) * float(np.linalg.norm(other))
    return round(float(one @ other) / length, 6) if length else 0.0


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
