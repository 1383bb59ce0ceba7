"""Language models behind an endpoint, against a real HTTP server that can do everything wrong."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.errors import Busy, Forbidden, Internal, Invalid, LakehouseError, NotFound, TimedOut
from engine.models.chat import Chat, name_of, open_chat
from engine.models.embedder import Means
from engine.models.endpoint import SIDE_BY_SIDE, Call, Reach
from engine.models.keys import Keys
from engine.models.models import Models
from tests.engine.models.fake_endpoint import Fake, running


@pytest.fixture
def fake() -> Iterator[Fake]:
    with running() as fake:
        yield fake


@pytest.fixture
def calls() -> list[Call]:
    return []


def base_of(fake: Fake, scheme: str) -> str:
    return f"{fake.url}/v1" if scheme == "openai" else fake.url


def opened(fake: Fake, calls: list[Call], scheme: str = "openai", **how: object) -> Chat:
    base = base_of(fake, scheme)
    settings = {"seconds": 1.0, "tries": 3, "keys": Keys(None, {}), "purpose": "chat", **how}
    return open_chat(f"{scheme}:{base}#vendor/small", Reach((base,), told=calls.append, **settings))  # type: ignore[arg-type]


@pytest.mark.parametrize("scheme", ["openai", "ollama"])
def test_a_prompt_is_answered(fake: Fake, calls: list[Call], scheme: str) -> None:
    fake.says = lambda prompt: prompt.upper()
    chat = opened(fake, calls, scheme)
    assert chat.model == "vendor/small"
    reply = chat.chat("größe?")
    assert (reply.text, reply.finish) == ("GRÖSSE?", "stop")
    assert fake.seen[-1]["model"] == "vendor/small"
    assert fake.seen[-1].get("temperature", fake.seen[-1].get("options", {}).get("temperature")) == 0
    assert fake.seen[-1].get("think") is (False if scheme == "ollama" else None)
    assert [(one.purpose, one.tokens, one.tries, one.outcome) for one in calls] == [("chat", 10, 1, "ok")]
    fake.plan = ["cut"]
    assert chat.chat("more").finish == "length"


@pytest.mark.parametrize("plan", [["429"], ["500", "503"], ["hang"], ["trickle"], ["headers"]])
def test_what_may_work_later_is_tried_again(fake: Fake, calls: list[Call], plan: list[str]) -> None:
    fake.plan = list(plan)
    assert opened(fake, calls).chat("a").text
    assert (calls[-1].outcome, calls[-1].tries) == ("ok", len(plan) + 1)


@pytest.mark.parametrize(
    ("plan", "error", "said"),
    [
        (["500"] * 3, Busy, "is not available: status 500; try again later"),
        (["401"], Forbidden, "refuses the key"),
        (["404"], Invalid, "refuses the request"),
        (["garbage"], Internal, "does not answer in JSON"),
        (["list"], Internal, "does not answer in JSON"),
        (["nested"], Internal, "does not answer in JSON"),
        (["none"], Internal, "answers without a text"),
        (["refusal"], Internal, "answers without a text"),
    ],
)
def test_faults_are_named_and_tell_no_secret(
    fake: Fake, calls: list[Call], plan: list[str], error: type[LakehouseError], said: str
) -> None:
    fake.plan = plan
    chat = opened(fake, calls, keys=Keys(None, {"OPENAI_API_KEY": "sk-secret"}))
    with pytest.raises(error, match=said) as caught:
        chat.chat("a")
    assert "sk-secret" not in str(caught.value) + str(calls)
    assert fake.keys[-1] == "Bearer sk-secret"


def test_a_packed_answer_is_read(fake: Fake, calls: list[Call]) -> None:
    fake.plan = ["gzip"]
    assert opened(fake, calls).chat("a").text
    assert [(one.tries, one.outcome) for one in calls] == [(1, "ok")]


@pytest.mark.parametrize("odd", ["true", "huge", "negative"])
def test_a_count_of_tokens_that_is_none_is_not_told(fake: Fake, calls: list[Call], odd: str) -> None:
    fake.plan = [odd]
    assert opened(fake, calls).chat("a").text
    assert calls[-1].tokens is None


def test_endpoints_that_trickle_do_not_keep_the_next_call_waiting(fake: Fake, calls: list[Call]) -> None:
    fake.plan = ["headers"] * SIDE_BY_SIDE
    chat = opened(fake, calls, seconds=0.3, tries=1)
    for _ in range(SIDE_BY_SIDE):
        with pytest.raises(Busy, match="no answer within"):
            chat.chat("a")
    started = time.monotonic()
    assert chat.chat("a").text
    assert time.monotonic() - started < 0.25


def test_calls_that_were_cancelled_do_not_keep_the_next_one_waiting(fake: Fake, calls: list[Call]) -> None:
    chat = opened(fake, calls, seconds=30.0, tries=1)
    assert chat.chat("a").text  # a connection that is kept
    fake.plan = ["hang"] * SIDE_BY_SIDE
    for _ in range(SIDE_BY_SIDE):
        since = time.monotonic()
        with pytest.raises(TimedOut):
            chat.chat("a", cancelled=lambda since=since: time.monotonic() - since > 0.1)  # type: ignore[misc]
    started = time.monotonic()
    assert chat.chat("a").text
    assert time.monotonic() - started < 1


def test_the_key_of_openai_is_not_for_ollama(fake: Fake, calls: list[Call]) -> None:
    opened(fake, calls, "ollama", keys=Keys(None, {"OPENAI_API_KEY": "sk-secret"})).chat("a")
    assert fake.keys == [None]


def test_cancelling_does_not_wait_for_the_endpoint(fake: Fake, calls: list[Call]) -> None:
    fake.plan = ["hang"]
    started = time.monotonic()
    with pytest.raises(TimedOut):
        opened(fake, calls, seconds=30.0).chat("a", cancelled=lambda: time.monotonic() - started > 0.2)
    assert time.monotonic() - started < 1


def test_only_what_is_configured_is_asked(fake: Fake) -> None:
    for uri, error in (
        (f"openai:{fake.url}/v1#m", Forbidden), ("ollama:m", Forbidden), ("openai:http://x/v1", Invalid),
        ("minilm", Invalid), ("", Invalid),
    ):  # fmt: skip
        with pytest.raises(error):
            open_chat(uri, Reach(("http://127.0.0.1:1/v1",), Keys(None, {})))
    assert fake.seen == []


def test_names() -> None:
    assert name_of("openai:https://host/v1#vendor/model") == "vendor/model"
    assert name_of("ollama:qwen3:latest") == "qwen3:latest"
    assert name_of("ollama:http://host:1#qwen3:latest") == "qwen3:latest"


def test_models_are_named_by_name_or_uri(fake: Fake) -> None:
    base = f"{fake.url}/v1"
    models = Models(Means(Path("cache"), reach=Reach((base, fake.url), Keys(None, {}))))
    assert models.chat() is None
    with pytest.raises(NotFound, match=r"did you mean 'extractive'\? see \[models\] chat"):
        models.chat("extractiv")
    uris = [f"openai:{base}#vendor/large", f"ollama:{fake.url}#small"]
    models.offer_chats(uris, 5, 0)
    try:
        default, small = models.chat(), models.chat("small")
        assert default is not None
        assert small is not None
        assert (default.model, small.model) == ("vendor/large", "small")
        assert models.chat(uris[1]) is small
        assert models.chat("vendor/large") is default
        assert models.chat("extractive") is None
        with pytest.raises(NotFound, match="did you mean 'vendor/large'"):
            models.chat("vendor/larg")
    finally:
        models.close()
