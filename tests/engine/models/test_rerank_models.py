"""Rerank models behind an endpoint, against a real HTTP server that can do everything wrong."""

import threading
import time
from collections.abc import Iterator

import pytest

from engine.errors import Busy, Forbidden, Internal, Invalid, LakehouseError, NotFound, TimedOut
from engine.models.embedder import Means
from engine.models.endpoint import Call, Reach
from engine.models.keys import Keys
from engine.models.models import Models
from engine.models.rerank import Reranker, open_reranker
from tests.engine.models.fake_endpoint import Fake, running

TEXTS = ["four", "six-si", "a", "four", "longest of all"]


@pytest.fixture
def fake() -> Iterator[Fake]:
    with running() as fake:
        yield fake


@pytest.fixture
def calls() -> list[Call]:
    return []


def opened(fake: Fake, calls: list[Call], scheme: str = "openai", **how: object) -> Reranker:
    base = f"{fake.url}/v1"
    settings = {"seconds": 1.0, "tries": 3, "keys": Keys(None, {}), "purpose": "rerank", **how}
    return open_reranker(f"{scheme}:{base}#vendor/small", Reach((base,), told=calls.append, **settings))  # type: ignore[arg-type]


@pytest.mark.parametrize("scheme", ["openai", "cohere", "jina"])
def test_the_best_come_first_and_equal_ones_in_the_given_order(fake: Fake, calls: list[Call], scheme: str) -> None:
    model = opened(fake, calls, scheme)
    assert model.model == "vendor/small"
    assert model.best("how?", TEXTS, 4) == [(4, 0.14), (1, 0.06), (0, 0.04), (3, 0.04)]
    assert fake.seen[-1] == {"model": "vendor/small", "query": "how?", "documents": TEXTS, "top_n": 4}
    assert [(one.purpose, one.texts, one.tokens, one.outcome) for one in calls] == [("rerank", 5, 5, "ok")]


def test_many_texts_are_several_requests_with_one_order(fake: Fake, calls: list[Call]) -> None:
    found = opened(fake, calls, batch=2).best("how?", TEXTS, 3)
    assert [at for at, _ in found] == [4, 1, 0]
    assert [one.texts for one in calls] == [2, 2, 1]


def test_blank_and_broken_texts_are_sent_as_something(fake: Fake, calls: list[Call]) -> None:
    opened(fake, calls).best(" ", ["", "half \ud800"], 1)
    assert (fake.seen[-1]["query"], fake.seen[-1]["documents"]) == (".", [".", "half ?"])


def test_the_key_of_the_environment_goes_to_its_own_scheme_only(fake: Fake, calls: list[Call]) -> None:
    keys = Keys(None, {"OPENAI_API_KEY": "sk-secret"})
    for scheme in ("openai", "cohere"):
        opened(fake, calls, scheme, keys=keys).best("how?", TEXTS, 1)
    assert fake.keys == ["Bearer sk-secret", None]


@pytest.mark.parametrize("plan", [["429"], ["500", "503"], ["hang"], ["trickle"]])
def test_what_may_work_later_is_tried_again(fake: Fake, calls: list[Call], plan: list[str]) -> None:
    fake.plan = list(plan)
    assert opened(fake, calls).best("how?", TEXTS, 1) == [(4, 0.14)]
    assert (calls[-1].outcome, calls[-1].tries) == ("ok", len(plan) + 1)


@pytest.mark.parametrize(
    ("plan", "error", "said"),
    [
        (["500"] * 3, Busy, "is not available: status 500; try again later"),
        (["401"], Forbidden, "refuses the key"),
        (["404"], Invalid, "refuses the request"),
        (["garbage"], Internal, "does not answer in JSON"),
        (["none"], Internal, "an answer without results"),
        (["odd"], Internal, "an answer without results"),
        (["few"], Internal, "2 results for 5 texts, where 3 were asked for"),
        (["many"], Internal, "6 results for 5 texts"),
        (["beyond"], Internal, "the index '5' for 5 texts"),
        (["negative"], Internal, "the index '-1' for 5 texts"),
        (["fraction"], Internal, "the index '0.5' for 5 texts"),
        (["twice"], Internal, "the index 0 twice"),
        (["nan"], Internal, "the score 'nan'"),
        (["word"], Internal, "the score 'high'"),
        (["true"], Internal, "the score 'True'"),
    ],
)
def test_faults_are_named_and_tell_no_secret(
    fake: Fake, calls: list[Call], plan: list[str], error: type[LakehouseError], said: str
) -> None:
    fake.plan = plan
    model = opened(fake, calls, keys=Keys(None, {"OPENAI_API_KEY": "sk-secret"}))
    with pytest.raises(error, match=said) as caught:
        model.best("how?", TEXTS, 3)
    assert "sk-secret" not in str(caught.value) + str(calls)


def test_a_cancelled_call_ends_at_once(fake: Fake, calls: list[Call]) -> None:
    fake.plan = ["hang"]
    cancelled = threading.Event()
    threading.Timer(0.1, cancelled.set).start()
    started = time.monotonic()
    with pytest.raises(TimedOut):
        opened(fake, calls, seconds=30.0).best("how?", TEXTS, 1, cancelled=cancelled.is_set)
    assert time.monotonic() - started < 2


def test_only_what_is_configured_is_asked(fake: Fake) -> None:
    base = f"{fake.url}/v1"
    with pytest.raises(Forbidden, match="is not among"):
        open_reranker("openai:http://127.0.0.1:9/v1#x", Reach((base,)))
    with pytest.raises(Invalid, match="unknown provider; did you mean 'cohere'"):
        open_reranker("coher:x", Reach((base,)))
    with pytest.raises(Invalid, match=r"'jina:http://127\.0\.0\.1:9/v1' names no model"):
        open_reranker("jina:http://127.0.0.1:9/v1", Reach((base,)))


def test_models_are_known_by_name_and_uri(fake: Fake, tmp_path: object) -> None:
    base = f"{fake.url}/v1"
    models = Models(Means(tmp_path, reach=Reach((base,))))  # type: ignore[arg-type]
    assert models.reranker() is None
    models.offer_rerankers([f"jina:{base}#first", f"openai:{base}#second"])
    try:
        first = models.reranker()
        assert first is not None
        assert first.model == "first"
        assert models.reranker(f"jina:{base}#first") is first
        assert models.reranker("local") is None
        with pytest.raises(NotFound, match=r"did you mean 'second'\? see \[models\] rerank"):
            models.reranker("secnd")
    finally:
        models.close()
