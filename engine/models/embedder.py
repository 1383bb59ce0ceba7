"""What an embedder is, and how one is opened by its URI."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from engine.errors import Invalid, nearest
from engine.models.endpoint import Reach

Cancelled = Callable[[], bool]
Progress = Callable[[int, int], None]


class Embedder(Protocol):
    """A model that turns texts into vectors of unit length, so that the cosine of two is their dot product."""

    @property
    def model_id(self) -> str:
        """The name of the model and of its arithmetic, e.g. `minilm-l6-int8`."""
        ...

    @property
    def sha256(self) -> str:
        """Of the weights that compute; vectors of two different values must never meet in one index."""
        ...

    @property
    def dimension(self) -> int:
        """Numbers per vector."""
        ...

    @property
    def max_tokens(self) -> int:
        """The window: tokens of a text that count, special ones included; the rest has no effect on the vector."""
        ...

    @property
    def tokenizer(self) -> Tokenizer:
        """Counts tokens as the model does, without truncation or padding."""
        ...

    def embed(
        self, texts: Sequence[str], *, cancelled: Cancelled | None = None, progress: Progress | None = None
    ) -> NDArray[np.float32]:
        """The vectors of `texts`: float32 [len(texts), dimension], in their order, every row of unit length.

        A vector depends on its text alone: on one machine it is the same to the last bit whatever else is asked with
        it, and however many threads work. A blank text is no error; all blank texts share one vector.

        `cancelled` is polled between batches; once it is true, TimedOut is raised. `progress(done, total)` is called
        in the calling thread.
        """
        ...


@dataclass(frozen=True)
class Means:
    """What providers work with. `cache`: a folder for converted models, safe to delete."""

    cache: Path
    threads: int = 0  # worker threads of one `embed` call; 0 = one per core, at most 4
    folders: tuple[Path, ...] = ()  # where models of `onnx:` may lie
    reach: Reach = field(default_factory=Reach)


def _minilm(rest: str, means: Means) -> Embedder:
    from engine.models.minilm import open_minilm

    if rest:
        raise Invalid(f"embedder 'minilm' takes no argument, found {rest!r}", "write 'minilm'")
    return open_minilm(means.cache, means.threads)


def _onnx(rest: str, means: Means) -> Embedder:
    from engine.models.folder import open_folder

    return open_folder(rest, means.folders, means.threads)


def _openai(rest: str, means: Means) -> Embedder:
    from engine.models.remote import open_openai

    return open_openai(rest, means.reach)


def _ollama(rest: str, means: Means) -> Embedder:
    from engine.models.remote import open_ollama

    return open_ollama(rest, means.reach)


def _hashed(rest: str, means: Means) -> Embedder:
    from engine.models.hashed import HashEmbedder

    if not (rest.isascii() and rest.isdigit() and 2 <= int(rest) <= 65_536):
        raise Invalid(f"embedder 'hash:{rest}' has no dimension", "write 'hash:<dimension>' with 2 to 65536")
    return HashEmbedder(int(rest))


PROVIDERS: dict[str, Callable[[str, Means], Embedder]] = {
    "minilm": _minilm, "onnx": _onnx, "openai": _openai, "ollama": _ollama, "hash": _hashed,
}  # fmt: skip


def open_embedder(uri: str, means: Means) -> Embedder:
    """Open the embedder named by `uri`: `minilm`, `onnx:<folder>`, `openai:<base URL>#<model>`, `ollama:<model>`, or
    `hash:<dimension>` (equal words only; for tests).

    Raises Invalid for an unknown provider or a wrong argument, and what the provider raises.
    """
    scheme, _, rest = uri.partition(":")
    if scheme not in PROVIDERS:
        raise Invalid(f"embedder {uri!r} names an unknown provider", nearest(scheme, PROVIDERS))
    return PROVIDERS[scheme](rest, means)
