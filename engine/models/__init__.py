"""Models behind one method each: embedders turn texts into vectors, `Models` hands them out by URI."""

from engine.models.cache import QuestionCache
from engine.models.embedder import Embedder, open_embedder
from engine.models.models import Models

__all__ = ["Embedder", "Models", "QuestionCache", "open_embedder"]
