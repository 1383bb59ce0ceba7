"""Embedders by URI, the hashed one, and their one-time opening."""

import threading
from pathlib import Path

import numpy as np
import pytest

from engine.errors import Invalid, TimedOut
from engine.models import Embedder, Models, models, open_embedder
from engine.models.embedder import Means


@pytest.fixture
def hashed(tmp_path: Path) -> Embedder:
    return open_embedder("hash:256", Means(tmp_path))


def test_hashed_texts_are_near_when_they_share_words(hashed: Embedder) -> None:
    rows = hashed.embed(["Forklift operator, Illinois", "operator FORKLIFT illinois", "forklift driver", "two eggs"])
    assert rows.shape == (4, 256)
    assert rows.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-6)
    assert np.array_equal(rows[0], rows[1])
    assert rows[0] @ rows[2] > rows[0] @ rows[3] + 0.3


def test_hashed_vectors_never_change(hashed: Embedder) -> None:
    row = open_embedder("hash:8", Means(Path())).embed(["forklift operator forklift"])[0]
    np.testing.assert_allclose(row * 5**0.5, [0, 0, 0, -1, 0, 2, 0, 0], atol=1e-6)


def test_hashed_blank_texts_and_none(hashed: Embedder) -> None:
    rows = hashed.embed(["", " \n"])
    assert np.array_equal(rows[0], rows[1])
    assert np.linalg.norm(rows[0]) == 1
    assert hashed.embed([]).shape == (0, 256)


def test_hashed_cancel_and_progress(hashed: Embedder) -> None:
    seen: list[tuple[int, int]] = []
    with pytest.raises(TimedOut):
        hashed.embed(
            ["a", "b", "c"], cancelled=lambda: len(seen) == 2, progress=lambda done, total: seen.append((done, total))
        )
    assert seen == [(1, 3), (2, 3)]


def test_embedders_differ_by_digest(hashed: Embedder, tmp_path: Path) -> None:
    other = open_embedder("hash:32", Means(tmp_path))
    assert (hashed.model_id, other.model_id) == ("hash-256", "hash-32")
    assert len(hashed.sha256) == 64
    assert hashed.sha256 != other.sha256
    assert hashed.sha256 == open_embedder("hash:256", Means(tmp_path)).sha256


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        ("minilmm", r"\[INVALID\] embedder 'minilmm' names an unknown provider; did you mean 'minilm'\?"),
        ("", r"embedder '' names an unknown provider; known: hash, minilm, ollama, onnx, openai"),
        ("minilm:large", "embedder 'minilm' takes no argument, found 'large'; write 'minilm'"),
        ("hash", "embedder 'hash:' has no dimension; write 'hash:<dimension>'"),
        ("hash:many", "embedder 'hash:many' has no dimension"),
        ("hash:1", "embedder 'hash:1' has no dimension"),
    ],
)
def test_wrong_uris(uri: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(Invalid, match=message):
        open_embedder(uri, Means(tmp_path))


def test_one_embedder_and_one_question_cache_per_uri(tmp_path: Path) -> None:
    shop = Models(Means(tmp_path), default="hash:16", kept=3)
    assert shop.embedder() is shop.embedder("hash:16") is shop.questions().embedder
    assert shop.embedder("hash:8") is not shop.embedder()
    assert shop.questions("hash:16") is shop.questions() is shop.questions(shop.embedder())
    assert shop.questions().size == 3
    with pytest.raises(Invalid):
        shop.embedder("nope")


def test_two_threads_open_an_embedder_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    second = threading.Event()

    def opening(uri: str, means: Means) -> Embedder:
        opened.append(uri)
        if len(opened) == 2:
            second.set()
        second.wait(0.3)  # would let another thread in, if it could come in
        return open_embedder(uri, means)

    monkeypatch.setattr(models, "open_embedder", opening)
    shop, got = Models(Means(tmp_path), default="hash:16"), []
    threads = [threading.Thread(target=lambda: got.append(shop.embedder())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert opened == ["hash:16"]
    assert len(got) == 4
    assert len(set(map(id, got))) == 1


def test_nothing_is_loaded_before_it_is_asked_for(tmp_path: Path) -> None:
    Models(Means(tmp_path / "cache"))
    assert not (tmp_path / "cache").exists()
