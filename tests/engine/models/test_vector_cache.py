"""Vectors that are kept on disk."""

from pathlib import Path

import numpy as np
import pytest

from engine.models.embedder import Means
from engine.models.hashed import HashEmbedder
from engine.models.models import Models
from engine.models.vector_cache import CachedEmbedder, VectorCache


class Counting(HashEmbedder):
    """Counts the texts that it is asked for."""

    asked = 0

    def embed(self, texts, *, cancelled=None, progress=None):  # type: ignore[no-untyped-def]
        self.asked += len(texts)
        return super().embed(texts, cancelled=cancelled, progress=progress)


def test_a_text_is_embedded_once(tmp_path: Path) -> None:
    cache, embedder = VectorCache(tmp_path / "v.sqlite3", 1 << 20), Counting(32)
    cached = CachedEmbedder(embedder, cache)
    texts = ["a b", "c", "a b", "", "half of a pair \ud800"]
    first = cached.embed(texts)
    assert embedder.asked == 4
    assert (cached.embed(texts) == first).all()
    assert (first == HashEmbedder(32).embed(texts)).all()
    assert embedder.asked == 4
    cache.close()
    again = CachedEmbedder(other := Counting(32), VectorCache(tmp_path / "v.sqlite3", 1 << 20))
    told: list[tuple[int, int]] = []
    assert (again.embed([*texts, "new"], progress=lambda done, total: told.append((done, total)))[:5] == first).all()
    assert other.asked == 1
    assert told[-1] == (6, 6)


def test_models_do_not_share_vectors(tmp_path: Path) -> None:
    cache = VectorCache(tmp_path / "v.sqlite3", 1 << 20)
    assert CachedEmbedder(HashEmbedder(32), cache).embed(["a"]).shape == (1, 32)
    assert CachedEmbedder(HashEmbedder(16), cache).embed(["a"]).shape == (1, 16)
    assert len(cache) == 2


def test_it_is_bounded_and_what_was_used_last_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1_000_000]
    monkeypatch.setattr("engine.models.vector_cache.time.time", lambda: now[0])
    cache = VectorCache(tmp_path / "v.sqlite3", 100 * (32 * 4 + 100))
    cached = CachedEmbedder(embedder := Counting(32), cache)
    cached.embed([f"text {number}" for number in range(90)])
    now[0] += 10_000
    cached.embed(["text 0"])
    cached.embed([f"more {number}" for number in range(60)])
    assert len(cache) <= 100
    before = embedder.asked
    cached.embed(["text 0", "more 59"])
    assert embedder.asked == before


def test_a_broken_file_is_made_anew(tmp_path: Path) -> None:
    (tmp_path / "v.sqlite3").write_bytes(b"this is no database" * 100)
    cached = CachedEmbedder(HashEmbedder(8), VectorCache(tmp_path / "v.sqlite3", 1 << 20))
    assert np.isfinite(cached.embed(["a"])).all()


def test_a_failure_keeps_nothing(tmp_path: Path) -> None:
    cache = VectorCache(tmp_path / "v.sqlite3", 1 << 20)
    with pytest.raises(Exception, match="cancelled"):
        CachedEmbedder(HashEmbedder(8), cache).embed(["a", "b"], cancelled=lambda: True)
    assert len(cache) == 0


def test_a_home_keeps_them_beside_its_models(tmp_path: Path) -> None:
    shop = Models(Means(tmp_path), "hash:8", cache_bytes=1 << 20)
    shop.embedder().embed(["a"])
    assert not (tmp_path / "vectors.sqlite3").exists()  # those of tests are not worth keeping
    shop.close()
