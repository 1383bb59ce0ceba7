"""Vectors of texts that were embedded before, on disk: another corpus with the same text costs no model time.

A text is known by its SHA-256 only. The file may be deleted at any time; what is broken in it counts as not there.
"""

import hashlib
import sqlite3
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from engine.models.embedder import Cancelled, Embedder, Progress

Row = NDArray[np.float32]
OVERHEAD = 100  # bytes of a row beside its vector
FREED = 0.1  # share of the bound that is freed at once
AT_ONCE = 500
SCHEMA = """
create table if not exists vector (
    model text not null, text blob not null, numbers blob not null, used integer not null, primary key (model, text)
) without rowid
"""


class VectorCache:
    """A bounded file of vectors, the least recently used out first; safe to use from many threads."""

    def __init__(self, path: Path, max_bytes: int) -> None:
        """`path` is made when it is not there, and anew when it is no cache."""
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._file = self._opened(path)
        except sqlite3.DatabaseError:
            path.unlink(missing_ok=True)
            self._file = self._opened(path)

    def _opened(self, path: Path) -> sqlite3.Connection:
        file = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        for pragma in ("journal_mode = wal", "synchronous = off"):  # a cache may lose its last entries
            file.execute(f"pragma {pragma}")
        file.execute(SCHEMA)
        return file

    def known(self, model: str, digests: Sequence[bytes], dimension: int) -> Mapping[bytes, Row]:
        """The vectors that are there, by digest."""
        found: dict[bytes, Row] = {}
        with self._lock, suppress(sqlite3.Error):
            for start in range(0, len(digests), AT_ONCE):
                part = digests[start : start + AT_ONCE]
                marks = ", ".join("?" * len(part))
                rows = self._file.execute(
                    f"select text, numbers from vector where model = ? and text in ({marks})", [model, *part]
                ).fetchall()
                found.update({text: np.frombuffer(numbers, "<f4") for text, numbers in rows})
                now = int(time.time())
                self._file.execute(
                    f"update vector set used = ? where model = ? and used < ? and text in ({marks})",
                    [now, model, now - 3600, *part],
                )
        return {digest: row for digest, row in found.items() if len(row) == dimension}

    def keep(self, model: str, rows: Mapping[bytes, Row]) -> None:
        """Keep vectors by the digest of their text."""
        now = int(time.time())
        values = [(model, digest, row.astype("<f4").tobytes(), now) for digest, row in rows.items()]
        with self._lock, suppress(sqlite3.Error):
            self._file.execute("begin")
            self._file.executemany("insert or replace into vector values (?, ?, ?, ?)", values)
            self._file.execute("commit")
            self._evict()

    def _evict(self) -> None:
        count, size = self._file.execute("select count(*), coalesce(sum(length(numbers)), 0) from vector").fetchone()
        size += count * OVERHEAD
        if size <= self._max_bytes:
            return
        gone = int(count * (1 - (1 - FREED) * self._max_bytes / size)) + 1
        self._file.execute(
            "delete from vector where (model, text) in (select model, text from vector order by used, text limit ?)",
            [gone],
        )

    def __len__(self) -> int:
        """How many vectors are kept."""
        with self._lock:
            return int(self._file.execute("select count(*) from vector").fetchone()[0])

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._file.close()


class CachedEmbedder:
    """An embedder that asks the cache first."""

    def __init__(self, embedder: Embedder, cache: VectorCache) -> None:
        """`embedder` is asked for what the cache does not have."""
        self._embedder, self._cache = embedder, cache
        self.model_id, self.sha256, self.dimension = embedder.model_id, embedder.sha256, embedder.dimension
        self.max_tokens = embedder.max_tokens

    @property
    def tokenizer(self) -> Tokenizer:
        """That of the embedder."""
        return self._embedder.tokenizer

    def embed(
        self, texts: Sequence[str], *, cancelled: Cancelled | None = None, progress: Progress | None = None
    ) -> Row:
        """See `Embedder.embed`: the same vectors, to the last bit. What was made before a failure is not kept."""
        digests = [hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest() for text in texts]
        known = dict(self._cache.known(self.sha256, list(dict.fromkeys(digests)), self.dimension))
        missing = {digest: text for digest, text in zip(digests, texts, strict=True) if digest not in known}
        done = len(texts) - len(missing)
        if missing:
            told = (lambda at, _: progress(done + at, len(texts))) if progress else None
            made = self._embedder.embed(list(missing.values()), cancelled=cancelled, progress=told)
            fresh = dict(zip(missing, made, strict=True))
            self._cache.keep(self.sha256, fresh)
            known |= fresh
        elif progress:
            progress(len(texts), len(texts))
        rows = np.empty((len(texts), self.dimension), dtype=np.float32)
        for at, digest in enumerate(digests):
            rows[at] = known[digest]
        return rows
