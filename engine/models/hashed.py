"""A deterministic stand-in for a model: texts are similar when they share words. Only for tests."""

import hashlib
import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from engine.errors import TimedOut
from engine.models.embedder import Cancelled, Progress
from engine.models.tokens import load_tokenizer

WORD = re.compile(r"\w+")


class HashEmbedder:
    """A bag of lower-cased words, each hashed to one signed component (feature hashing), scaled to unit length.

    Knows no synonyms and no window: all words count, whatever `max_tokens` says. Chunks are measured as for MiniLM.
    """

    max_tokens = 256

    def __init__(self, dimension: int) -> None:
        """`dimension`: components per vector; few of them make unlike words collide."""
        self.dimension = dimension
        self.model_id = f"hash-{dimension}"
        self.sha256 = hashlib.sha256(self.model_id.encode()).hexdigest()
        self.tokenizer: Tokenizer = load_tokenizer()

    def embed(
        self, texts: Sequence[str], *, cancelled: Cancelled | None = None, progress: Progress | None = None
    ) -> NDArray[np.float32]:
        """See `Embedder.embed`; a batch is one text."""
        rows = np.zeros((len(texts), self.dimension), dtype=np.float32)
        for number, text in enumerate(texts):
            if cancelled and cancelled():
                raise TimedOut
            rows[number] = self._row(text)
            if progress:
                progress(number + 1, len(texts))
        return rows

    def _row(self, text: str) -> NDArray[np.float32]:
        row = np.zeros(self.dimension, dtype=np.float32)
        for word in WORD.findall(text.lower()):
            bucket, sign = self._component(word)
            row[bucket] += sign
        if not row.any():  # no word, or words that cancel out
            bucket, sign = self._component("")
            row[bucket] = sign
        return row / np.float32(np.linalg.norm(row))

    def _component(self, word: str) -> tuple[int, int]:
        number = int.from_bytes(hashlib.blake2b(word.encode(), digest_size=8).digest(), "little")
        return (number >> 1) % self.dimension, 1 if number & 1 else -1
