"""Embedders behind an endpoint: those that speak OpenAI's protocol, and Ollama."""

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from engine.errors import Internal
from engine.models.embedder import Cancelled, Progress
from engine.models.endpoint import Endpoint, Reach, reached
from engine.models.tokens import load_tokenizer

PROBE = "dimension"
BLANK = "."  # what is sent for a blank text: most endpoints refuse an empty one
MAX_TOKENS = 512  # the window that chunks are cut to; endpoints do not tell theirs


class RemoteEmbedder:
    """An embedder behind an endpoint. Its vectors depend on what the endpoint does: they need not be the same twice."""

    max_tokens = MAX_TOKENS

    def __init__(self, scheme: str, endpoint: Endpoint, batch: int) -> None:
        """`scheme`: openai or ollama. Asks the endpoint once, for the dimension."""
        self._scheme, self._endpoint, self._batch = scheme, endpoint, batch
        self.model_id = endpoint.model
        self.tokenizer: Tokenizer = load_tokenizer()
        self.dimension = 0
        self.dimension = self._rows([PROBE], None).shape[1]
        named = f"{scheme}:{endpoint.base}#{endpoint.model}:{self.dimension}"
        self.sha256 = hashlib.sha256(named.encode()).hexdigest()  # of its name: the weights are not to be had

    def embed(
        self, texts: Sequence[str], *, cancelled: Cancelled | None = None, progress: Progress | None = None
    ) -> NDArray[np.float32]:
        """See `Embedder.embed`; a batch is one request. Raises what `Endpoint.post` raises."""
        rows = np.zeros((len(texts), self.dimension), dtype=np.float32)
        for start in range(0, len(texts), self._batch):
            part = list(texts[start : start + self._batch])
            rows[start : start + len(part)] = self._rows(part, cancelled)
            if progress:
                progress(start + len(part), len(texts))
        return rows

    def _rows(self, texts: list[str], cancelled: Cancelled | None) -> NDArray[np.float32]:
        sent = [text if text.strip() else BLANK for text in texts]
        path = "/embeddings" if self._scheme == "openai" else "/api/embed"
        answer = self._endpoint.post(path, {"model": self.model_id, "input": sent}, len(sent), cancelled)
        found = _in_order(answer) if self._scheme == "openai" else answer.get("embeddings")
        return self._unit(found, len(sent))

    def _unit(self, found: object, count: int) -> NDArray[np.float32]:
        """Vectors as an endpoint sends them, checked and scaled to unit length."""
        try:
            rows = np.asarray(found, dtype=np.float32)
        except (TypeError, ValueError):
            rows = np.empty(0, np.float32)
        if rows.ndim != 2 or len(rows) != count or not rows.shape[1]:
            raise Internal(f"the endpoint {self._endpoint.base} did not send one vector a text", "is it an embedder?")
        if self.dimension and rows.shape[1] != self.dimension:
            raise Internal(
                f"the endpoint {self._endpoint.base} sent {rows.shape[1]} numbers a vector, not {self.dimension}",
                "the model behind it has changed: build the corpus again",
            )
        norms = np.linalg.norm(rows.astype(np.float64), axis=1)
        if not np.isfinite(norms).all() or not norms.all():
            raise Internal(f"the endpoint {self._endpoint.base} sent a vector that is not finite, or zero", "try again")
        unit: NDArray[np.float32] = (rows / norms[:, None]).astype(np.float32)
        return unit


def _in_order(answer: dict[str, Any]) -> object:
    data = answer.get("data")
    if not isinstance(data, list) or not all(isinstance(one, dict) for one in data):
        return None
    try:
        return [one.get("embedding") for one in sorted(data, key=lambda one: int(one.get("index", 0)))]
    except (TypeError, ValueError):
        return None


def open_openai(rest: str, reach: Reach) -> RemoteEmbedder:
    """`openai:<base URL>#<model>`."""
    return RemoteEmbedder("openai", reached("openai", rest, reach), reach.batch)


def open_ollama(rest: str, reach: Reach) -> RemoteEmbedder:
    """`ollama:<model>`, on this machine; `ollama:<base URL>#<model>` elsewhere."""
    return RemoteEmbedder("ollama", reached("ollama", rest, reach), reach.batch)
