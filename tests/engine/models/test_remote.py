"""Embedders behind an endpoint, against a real HTTP server that can do everything wrong."""

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from engine.errors import Busy, Forbidden, Internal, Invalid, LakehouseError, TimedOut
from engine.models.embedder import Embedder, Means, open_embedder
from engine.models.endpoint import Call, Reach
from engine.models.keys import Keys
from lakehouse import open_lake
from tests.asking import session_of
from tests.engine.models.fake_endpoint import DIMENSION, Fake, running


@pytest.fixture
def fake() -> Iterator[Fake]:
    with running() as fake:
        yield fake


@pytest.fixture
def calls() -> list[Call]:
    return []


def opened(fake: Fake, calls: list[Call], scheme: str = "openai", **how: object) -> Embedder:
    base = f"{fake.url}/v1" if scheme == "openai" else fake.url
    settings = {"seconds": 1.0, "tries": 3, "batch": 4, "keys": Keys(None, {}), **how}
    reach = Reach((base,), told=calls.append, **settings)  # type: ignore[arg-type]
    return open_embedder(f"{scheme}:{base}#small", Means(Path("cache"), reach=reach))


@pytest.mark.parametrize("scheme", ["openai", "ollama"])
def test_vectors_come_in_order_and_of_unit_length(fake: Fake, calls: list[Call], scheme: str) -> None:
    embedder = opened(fake, calls, scheme)
    texts = [f"text number {number}" for number in range(10)] + ["", "  "]
    rows = embedder.embed(texts)
    assert (embedder.dimension, embedder.model_id) == (DIMENSION, "small")
    assert (rows.dtype, rows.shape) == (np.dtype(np.float32), (12, 16))
    expected = fake.embedder.embed(texts[:10])
    assert np.allclose(rows[:10], expected, atol=1e-6)
    assert np.allclose(np.linalg.norm(rows, axis=1), 1)
    assert (rows[10] == rows[11]).all()
    assert [len(one["input"]) for one in fake.seen] == [1, 4, 4, 4]
    assert [(call.texts, call.outcome, call.tries) for call in calls] == [
        (1, "ok", 1), (4, "ok", 1), (4, "ok", 1), (4, "ok", 1),
    ]  # fmt: skip
    assert all(call.tokens for call in calls)


@pytest.mark.parametrize("plan", [["429"], ["500", "503"], ["hang"]])
def test_what_may_work_later_is_tried_again(fake: Fake, calls: list[Call], plan: list[str]) -> None:
    embedder = opened(fake, calls)
    fake.plan = list(plan)
    assert embedder.embed(["a"]).shape == (1, 16)
    assert (calls[-1].outcome, calls[-1].tries) == ("ok", len(plan) + 1)


@pytest.mark.parametrize(
    ("plan", "error", "said"),
    [
        (["500"] * 3, Busy, "is not available: status 500; try again later"),
        (["401"], Forbidden, "refuses the key"),
        (["400"], Invalid, "refuses the request"),
        (["404"], Invalid, "refuses the request"),
        (["garbage"], Internal, "does not answer in JSON"),
        (["list"], Internal, "does not answer in JSON"),
        (["few"], Internal, "did not send one vector a text"),
        (["ragged"], Internal, "did not send one vector a text"),
        (["nan"], Internal, "not finite, or zero"),
        (["zero"], Internal, "not finite, or zero"),
    ],
)
def test_faults_are_named_and_tell_no_secret(
    fake: Fake, calls: list[Call], plan: list[str], error: type[LakehouseError], said: str
) -> None:
    embedder = opened(fake, calls, keys=Keys(None, {"OPENAI_API_KEY": "sk-secret"}))
    fake.plan = plan
    with pytest.raises(error) as caught:
        embedder.embed(["a", "b"])
    assert said in str(caught.value)
    assert "sk-secret" not in str(caught.value) + str(calls)
    assert fake.keys[-1] == "Bearer sk-secret"
    if error is not Internal:
        assert calls[-1].outcome == caught.value.code


def test_another_dimension_than_before_is_an_error(fake: Fake, calls: list[Call]) -> None:
    embedder = opened(fake, calls)
    fake.dimension = 8
    with pytest.raises(Internal, match="sent 8 numbers a vector, not 16"):
        embedder.embed(["a"])


def test_cancelling_does_not_wait_for_the_endpoint(fake: Fake, calls: list[Call]) -> None:
    embedder = opened(fake, calls, seconds=30.0)
    fake.plan = ["hang"]
    started = time.monotonic()
    with pytest.raises(TimedOut):
        embedder.embed(["a"], cancelled=lambda: time.monotonic() - started > 0.2)
    assert time.monotonic() - started < 0.7


def test_only_endpoints_of_the_configuration_are_called(fake: Fake) -> None:
    means = Means(Path("cache"), reach=Reach(("http://127.0.0.1:1/v1",), Keys(None, {})))
    for uri in (
        f"openai:{fake.url}/v1#m",
        "openai:http://169.254.169.254/latest#m",
        f"ollama:{fake.url}#m",
        "ollama:m",
    ):
        with pytest.raises(Forbidden, match=r"is not among \[models\] endpoints"):
            open_embedder(uri, means)
    for uri in ("openai:http://127.0.0.1:1/v1", "openai:ftp://x#m", "openai:http://127.0.0.1:1/v1#"):
        with pytest.raises(Invalid):
            open_embedder(uri, means)
    assert fake.seen == []


def test_keys(tmp_path: Path) -> None:
    path = tmp_path / "keys.toml"
    path.write_text('"http://one/v1" = "first"\n"http://two/v1/" = "second"\n')
    path.chmod(0o600)
    keys = Keys(path, {"OPENAI_API_KEY": "other"})
    assert [keys.of(f"http://{name}/v1") for name in ("one", "two", "three")] == ["first", "second", "other"]
    assert "other" not in repr(keys)
    path.chmod(0o644)
    with pytest.raises(Forbidden, match="may be read by others; chmod 600"):
        keys.of("http://one/v1")
    path.chmod(0o600)
    path.write_text("sk-secret is no TOML")
    with pytest.raises(Invalid) as caught:
        keys.of("http://one/v1")
    assert "sk-secret" not in str(caught.value)
    assert Keys(None, {}).of("http://one/v1") is None


def test_a_corpus_by_an_endpoint_and_its_calls_in_sql(fake: Fake, tmp_path: Path) -> None:
    base = f"{fake.url}/v1"
    settings = {"models.endpoints": [base], "models.embedder": "hash:64"}
    lake = open_lake(tmp_path / "home", settings=settings)
    session = lake.session()
    session.run("create table notes as select i as id, 'note number ' || i as text from range(20) as r(i)")
    made = session.run(
        "select rows from create_corpus('notes', source := 'notes', id := 'id', text := 'text', embedder := ?)",
        [f"openai:{base}#small"],
    ).rows()
    assert made == [{"rows": 20}]
    assert session.run("select id from vector_search('note number 7', k := 1)").rows() == [{"id": "7"}]
    # 20 texts and the one that tells the dimension: the question is a text that is known already
    rows = session.run(
        "select model, endpoint, sum(texts)::bigint as texts, min(outcome) as outcome from lake.calls group by all"
    )
    assert rows.rows() == [{"model": "small", "endpoint": base, "texts": 21, "outcome": "ok"}]
    editor = session_of(lake, "ed", "editor")
    with pytest.raises(Forbidden, match="is not among"):
        editor.run(
            "select * from create_corpus('evil', source := 'notes', id := 'id', text := 'text', "
            "embedder := 'openai:http://169.254.169.254#x')"
        ).rows()
    lake.close()
