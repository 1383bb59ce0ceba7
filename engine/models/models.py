"""The models of one lakehouse: opened on first use, once each, and shared by all threads."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from engine.config import Models as Settings
from engine.errors import NotFound, nearest
from engine.memory.downgrade import EXTRACTIVE
from engine.models.cache import QuestionCache
from engine.models.chat import Chat, name_of, open_chat
from engine.models.embedder import Embedder, Means, open_embedder
from engine.models.endpoint import Call, Reach
from engine.models.keys import Keys
from engine.models.rerank import LOCAL, Reranker, open_reranker
from engine.models.vector_cache import CachedEmbedder, VectorCache


def means_of(home: Path, settings: Settings, told: Callable[[Call], None] = lambda call: None) -> Means:
    """What the providers of a home work with. `told` hears of every call of an endpoint."""
    reach = Reach(
        tuple(settings.endpoints),
        Keys(settings.key_file),
        settings.request_seconds,
        settings.request_tries,
        settings.request_texts,
        told,
    )
    return Means(home / "cache", settings.threads, (home / "models", *settings.folders), reach)


class Models:
    """Hands out embedders by URI, and the chat and rerank models that are configured: each opened when it is needed."""

    def __init__(self, means: Means, default: str = "minilm", kept: int = 4096, cache_bytes: int = 0) -> None:
        """`default`: the URI meant when none is named. `kept`: question vectors kept per embedder in memory.

        `cache_bytes`: vectors of texts kept on disk, for all embedders but `hash`; 0 = none.
        """
        self.means = means
        self.default = default
        self.kept = kept
        self._cache_bytes = cache_bytes
        self._vectors: VectorCache | None = None
        self._embedders: dict[str, Embedder] = {}
        self._questions: dict[str, QuestionCache] = {}
        self._opening = threading.Lock()
        self._chat_uris: tuple[str, ...] = ()
        self._chats: dict[str, Chat] = {}
        self._chat_reach, self._chat_temperature = means.reach, 0.0
        self._reranker_uris: tuple[str, ...] = ()
        self._rerankers: dict[str, Reranker] = {}

    def offer_chats(self, uris: Sequence[str], seconds: float, temperature: float) -> None:
        """Say which chat models there are, the default first, with the time limit of one request in seconds."""
        self._chat_uris, self._chat_temperature = tuple(uris), temperature
        self._chat_reach = replace(self.means.reach, seconds=seconds, purpose="chat")

    def chat(self, name: str | None = None) -> Chat | None:
        """The chat model of a name or URI (None: the default); None where the extractive generator answers.

        Raises NotFound naming the nearest for one that is not configured, and what `open_chat` raises.
        """
        if name == EXTRACTIVE or (name is None and not self._chat_uris):
            return None
        found = [uri for uri in self._chat_uris if name in (None, uri, name_of(uri))]
        if not found:
            known = [EXTRACTIVE, *map(name_of, self._chat_uris)]
            raise NotFound(f"the model {name!r} is not configured", nearest(str(name), known, "see [models] chat"))
        with self._opening:
            if found[0] not in self._chats:
                self._chats[found[0]] = open_chat(found[0], self._chat_reach, self._chat_temperature)
            return self._chats[found[0]]

    def offer_rerankers(self, uris: Sequence[str]) -> None:
        """Say which rerank models there are, the default first."""
        self._reranker_uris = tuple(uris)

    def reranker(self, name: str | None = None) -> Reranker | None:
        """The rerank model of a name or URI (None: the default); None where the built-in one answers.

        Raises NotFound naming the nearest for one that is not configured, and what `open_reranker` raises.
        """
        if name == LOCAL or (name is None and not self._reranker_uris):
            return None
        found = [uri for uri in self._reranker_uris if name in (None, uri, name_of(uri))]
        if not found:
            known = [LOCAL, *map(name_of, self._reranker_uris)]
            raise NotFound(f"the model {name!r} is not configured", nearest(str(name), known, "see [models] rerank"))
        with self._opening:
            if found[0] not in self._rerankers:
                reach = replace(self.means.reach, purpose="rerank")
                self._rerankers[found[0]] = open_reranker(found[0], reach)
            return self._rerankers[found[0]]

    def embedder(self, uri: str | None = None) -> Embedder:
        """The embedder of `uri` (None: the default). Raises what `open_embedder` raises."""
        name = uri or self.default
        found = self._embedders.get(name)
        if found is None:
            with self._opening:
                found = self._embedders.get(name)
                if found is None:
                    found = self._embedders[name] = self._cached(name, open_embedder(name, self.means))
        return found

    def _cached(self, uri: str, embedder: Embedder) -> Embedder:
        if not self._cache_bytes or uri.startswith("hash:"):
            return embedder
        if self._vectors is None:
            self._vectors = VectorCache(self.means.cache / "vectors.sqlite3", self._cache_bytes)
        return CachedEmbedder(embedder, self._vectors)

    def close(self) -> None:
        """Close what is open."""
        with self._opening:
            if self._vectors is not None:
                self._vectors.close()
            for chat in self._chats.values():
                chat.close()
            for reranker in self._rerankers.values():
                reranker.close()

    def questions(self, model: Embedder | str | None = None) -> QuestionCache:
        """The question cache around an embedder, or around that of a URI; one per embedder."""
        embedder = self.embedder(model) if model is None or isinstance(model, str) else model
        with self._opening:
            found = self._questions.get(embedder.sha256)
            if found is None:
                found = self._questions[embedder.sha256] = QuestionCache(embedder, self.kept)
        return found
