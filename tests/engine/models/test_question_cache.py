"""The cache of question vectors: what is embedded, how often, and what happens when threads meet."""

import threading
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from engine.errors import TimedOut
from engine.models import QuestionCache
from engine.models.embedder import Cancelled, Progress
from engine.models.hashed import HashEmbedder


class Recording(HashEmbedder):
    """The hashed embedder, which notes what it is asked and calls back before it answers."""

    def __init__(self) -> None:
        super().__init__(16)
        self.asked: list[list[str]] = []
        self.before: Callable[[list[str]], None] = lambda texts: None

    def embed(
        self, texts: Sequence[str], *, cancelled: Cancelled | None = None, progress: Progress | None = None
    ) -> NDArray[np.float32]:
        self.asked.append(list(texts))
        self.before(list(texts))
        return super().embed(texts, cancelled=cancelled, progress=progress)


@pytest.fixture
def model() -> Recording:
    return Recording()


def test_only_new_texts_are_embedded_each_once(model: Recording) -> None:
    cache = QuestionCache(model)
    first = cache.embed_questions(["a", "b", "a"])
    second = cache.embed_questions(["c", "b"])
    assert model.asked == [["a", "b"], ["c"]]
    assert np.array_equal(first, HashEmbedder(16).embed(["a", "b", "a"]))
    assert np.array_equal(second, HashEmbedder(16).embed(["c", "b"]))
    assert cache.embed_questions([]).shape == (0, 16)


def test_the_least_recently_used_goes_first(model: Recording) -> None:
    cache = QuestionCache(model, size=2)
    for text in ("a", "b", "a", "c", "a", "b"):
        cache.embed_questions([text])
    assert model.asked == [["a"], ["b"], ["c"], ["b"]]
    assert len(cache) == 2


def test_more_texts_than_room(model: Recording) -> None:
    for size in (0, 2):
        cache = QuestionCache(model, size=size)
        texts = [f"word{number}" for number in range(9)]
        assert np.array_equal(cache.embed_questions(texts), HashEmbedder(16).embed(texts))
        assert len(cache) == size


def test_the_answer_is_the_callers_own(model: Recording) -> None:
    cache = QuestionCache(model)
    cache.embed_questions(["a"])[:] = 7
    assert np.array_equal(cache.embed_questions(["a"]), HashEmbedder(16).embed(["a"]))


def test_nothing_is_kept_of_a_failed_call(model: Recording) -> None:
    cache = QuestionCache(model)
    with pytest.raises(TimedOut):
        cache.embed_questions(["a"], cancelled=lambda: True)
    assert len(cache) == 0
    assert np.array_equal(cache.embed_questions(["a"]), HashEmbedder(16).embed(["a"]))


@pytest.mark.parametrize("fails", [False, True])
def test_a_question_in_flight_is_waited_for(model: Recording, fails: bool) -> None:
    """The second thread asks for `a` while the first embeds it, and takes over only if the first fails."""
    cache, second_is_here = QuestionCache(model), threading.Event()
    answers: dict[str, object] = {}

    def before(texts: list[str]) -> None:
        if texts == ["b"]:  # the second thread holds its slots: `b` is its own, `a` is the first one's
            second_is_here.set()
        elif len(model.asked) == 1:
            second.start()
            assert second_is_here.wait(10)
            if fails:
                raise TimedOut

    def ask(name: str, texts: list[str]) -> None:
        try:
            answers[name] = cache.embed_questions(texts)
        except TimedOut as error:
            answers[name] = error

    model.before = before
    second = threading.Thread(target=ask, args=("second", ["a", "b"]))
    ask("first", ["a"])
    second.join(10)
    assert model.asked == [["a"], ["b"], ["a"]][: 3 if fails else 2]
    assert isinstance(answers["first"], TimedOut) == fails
    assert np.array_equal(np.asarray(answers["second"]), HashEmbedder(16).embed(["a", "b"]))
