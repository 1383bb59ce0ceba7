"""An embedder in a folder: `model.onnx` and `tokenizer.json`, as sentence-transformers exports them."""

import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from engine.errors import Forbidden, Invalid, NotFound, TimedOut
from engine.models.embedder import Cancelled, Progress

GRAPH, TOKENIZER = "model.onnx", "tokenizer.json"
DEFAULT_WINDOW = 512
MOST_WINDOW = 8192
LONGEST = 131_072  # characters of a text that are tokenised


class FolderEmbedder:
    """A transformer with mean pooling over its tokens, or one whose graph gives the sentence embedding itself."""

    def __init__(self, folder: Path, threads: int) -> None:
        """Raises Invalid when the files are not a model and its tokenizer."""
        import onnxruntime

        graph = folder / GRAPH
        text = (folder / TOKENIZER).read_text(encoding="utf-8")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or min(os.cpu_count() or 1, 4)
        options.log_severity_level = 3
        try:
            self._session: Any = onnxruntime.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])
            self.tokenizer = Tokenizer.from_str(text)
        except Exception as error:  # both libraries raise classes of their own
            raise Invalid(
                f"the folder {folder.name!r} holds no model: {type(error).__name__}", "export it again"
            ) from None
        self.max_tokens = _window(text)
        self.tokenizer.no_truncation()
        self.tokenizer.no_padding()
        self._inputs = {one.name for one in self._session.get_inputs()}
        if "input_ids" not in self._inputs:
            raise Invalid(f"the model in {folder.name!r} takes no input_ids", "export it for feature extraction")
        self.model_id = folder.name
        self.sha256 = _digest(graph, text)
        self.dimension = int(self._pooled("dimension").shape[0])

    def embed(
        self, texts: Sequence[str], *, cancelled: Cancelled | None = None, progress: Progress | None = None
    ) -> NDArray[np.float32]:
        """See `Embedder.embed`; a batch is one text, so that a vector depends on its text alone."""
        rows = np.empty((len(texts), self.dimension), dtype=np.float32)
        for at, text in enumerate(texts):
            if cancelled and cancelled():
                raise TimedOut
            rows[at] = self._pooled(text)
            if progress:
                progress(at + 1, len(texts))
        return rows

    def _pooled(self, text: str) -> NDArray[np.float32]:
        ids: list[int] = self.tokenizer.encode(text[:LONGEST]).ids
        if len(ids) > self.max_tokens:
            ids = [*ids[: self.max_tokens - 1], ids[-1]]
        given = {
            "input_ids": np.array([ids], np.int64),
            "attention_mask": np.ones((1, len(ids)), np.int64),
            "token_type_ids": np.zeros((1, len(ids)), np.int64),
        }
        found = self._session.run(None, {name: value for name, value in given.items() if name in self._inputs})
        vector = next((one[0] for one in found if one.ndim == 2), None)
        if vector is None:
            vector = found[0][0].mean(axis=0)
        unit: NDArray[np.float32] = (vector / max(float(np.linalg.norm(vector)), 1e-12)).astype(np.float32)
        return unit


def _window(tokenizer: str) -> int:
    truncation = json.loads(tokenizer).get("truncation") or {}
    return max(16, min(int(truncation.get("max_length") or DEFAULT_WINDOW), MOST_WINDOW))


def _digest(graph: Path, tokenizer: str) -> str:
    with graph.open("rb") as file:
        whole = hashlib.file_digest(file, "sha256")
    whole.update(tokenizer.encode())
    return whole.hexdigest()


def open_folder(rest: str, folders: Sequence[Path], threads: int) -> FolderEmbedder:
    """`onnx:<folder>`, inside one of `folders`; a relative name is looked up in each.

    Raises Forbidden for a folder elsewhere, NotFound when it or its files are not there.
    """
    if not rest:
        raise Invalid("embedder 'onnx:' names no folder", "write onnx:<folder>")
    found = [(root.resolve() / rest).resolve() for root in folders]
    inside = [path for path, root in zip(found, folders, strict=True) if root.resolve() in path.parents]
    if not inside:
        raise Forbidden(f"the folder {rest!r} is not inside [models] folders", "an admin adds it, or moves the model")
    for path in inside:
        if (path / GRAPH).is_file() and (path / TOKENIZER).is_file():
            return FolderEmbedder(path, threads)
    raise NotFound(f"there is no model {rest!r}", f"a folder with {GRAPH} and {TOKENIZER} inside [models] folders")
