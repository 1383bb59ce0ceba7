"""The models of one lakehouse: opened on first use, once each, and shared by all threads."""

import threading
from pathlib import Path

from engine.models.cache import QuestionCache
from engine.models.embedder import Embedder, open_embedder


class Models:
    """Hands out embedders by URI. Nothing is loaded before it is asked for."""

    def __init__(self, cache: Path, default: str = "minilm", threads: int = 0, kept: int = 4096) -> None:
        """`cache`: folder for converted models. `default`: the URI meant when none is named.

        `threads`: of one `embed` call; 0 = one per core, at most 4. `kept`: question vectors kept per embedder.
        """
        self.cache = cache
        self.default = default
        self.threads = threads
        self.kept = kept
        self._embedders: dict[str, Embedder] = {}
        self._questions: dict[str, QuestionCache] = {}
        self._opening = threading.Lock()

    def embedder(self, uri: str | None = None) -> Embedder:
        """The embedder of `uri` (None: the default). Raises what `open_embedder` raises."""
        name = uri or self.default
        found = self._embedders.get(name)
        if found is None:
            with self._opening:
                found = self._embedders.get(name)
                if found is None:
                    found = self._embedders[name] = open_embedder(name, self.cache, self.threads)
        return found

    def questions(self, model: Embedder | str | None = None) -> QuestionCache:
        """The question cache around an embedder, or around that of a URI; one per embedder."""
        embedder = self.embedder(model) if model is None or isinstance(model, str) else model
        with self._opening:
            found = self._questions.get(embedder.sha256)
            if found is None:
                found = self._questions[embedder.sha256] = QuestionCache(embedder, self.kept)
        return found
