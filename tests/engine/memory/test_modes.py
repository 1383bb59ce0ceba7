"""The mode runner with a language model behind a real HTTP server: what is sent, what is kept, what is refused."""

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.errors import Busy, Invalid, NotFound, TimedOut
from engine.lake import Lake
from engine.memory.modes import task as tasks
from engine.memory.modes.prompt import Excerpt, compose
from engine.search.relevance import trees
from engine.session import Session
from lakehouse import open_lake
from tests.asking import session_of
from tests.conftest import FAST
from tests.engine.models.fake_endpoint import Fake, running

STRONG, FREE = "x-ai/grok-4.1-fast", "qwen/qwen3-coder:free"
FILE = {
    "prompt": "Is the pool of the Connector bounded?",
    "path": "crates/queryd/src/db.rs",
    "content": "use catalogd::Registry;\npub struct Connector { pool: Pool }\n// ``` not the end",
    "signal_class": "overflow",
}
RUN = "select * from run_mode('code_review', ?, model := {}, force_mode := {})"


@pytest.fixture
def fake() -> Iterator[Fake]:
    with running() as fake:
        yield fake


def opened(fake: Fake, folder: Path, **settings: object) -> Lake:
    base = f"{fake.url}/v1"
    given = {
        **FAST, "models.endpoints": [base], "models.chat": [f"openai:{base}#{STRONG}", f"openai:{base}#{FREE}"],
        "models.request_tries": 2, "journal.flush_seconds": 0.01,
        **{key.replace("__", "."): value for key, value in settings.items()},
    }  # fmt: skip
    lake = open_lake(folder / "home", settings=given)
    session = lake.session()
    session.run(
        "create table docs as select * from (values "
        "('d1', 'Connector opens the pool of queryd and bounds it by a limit.', 'crates/queryd/src/pool.rs'), "
        "('d2', 'Registry keeps manifests of catalogd.', 'crates/catalogd/src/registry.rs')) as doc(id, body, path)"
    )
    session.run("select * from create_corpus('docs', source := 'docs', id := 'id', text := 'body')")
    session.run(
        "select * from pathway_record(?::json)",
        [
            json.dumps({
                "task_class": "code_review", "file_path": FILE["path"], "signal_class": "overflow",
                "bug_fingerprints": [{"flag": "OffByOne", "pattern_key": "OffByOne:limit", "example": "`limit` - 1"}],
            })
        ],
    )  # fmt: skip
    return lake


@pytest.fixture
def lake(fake: Fake, tmp_path: Path) -> Iterator[Lake]:
    made = opened(fake, tmp_path)
    yield made
    made.close()


def run(session: Session, model: str | None = None, force: str | None = None, file: Any = FILE) -> dict[str, Any]:
    quoted = ["null" if value is None else f"'{value}'" for value in (model, force)]
    (row,) = session.run(RUN.format(*quoted), [json.dumps(file)]).rows()
    return row


def last_run(session: Session) -> dict[str, Any]:
    return session.run("select * from lake.mode_runs order by ts desc limit 1").rows()[0]


def test_everything_goes_into_one_prompt_in_order(lake: Lake, fake: Fake) -> None:
    fake.says = lambda prompt: "the pool is bounded"
    session = lake.session()
    row = run(session, FREE)
    assert row | {"seconds": 0} == {
        "answer": "the pool is bounded", "mode": "codereview_lakehouse", "downgraded_from": None, "corpora": ["docs"],
        "chunks": 1, "seconds": 0, "model": FREE,
    }  # fmt: skip
    (prompt,) = fake.prompts
    parts = [
        "must find what is wrong",
        FILE["prompt"],
        f"# File {FILE['path']}",
        FILE["content"],
        "OffByOne",
        "[docs/d1]",
    ]
    places = [prompt.index(part) for part in parts]
    assert places == sorted(places)
    assert "Registry keeps manifests" not in prompt  # foreign to the focus
    assert "(1×): `limit` - 1" in prompt
    told = last_run(session)
    assert (told["chunks_found"], told["chunks_kept"], told["fingerprints"], told["extractive"]) == (2, 1, 1, False)
    assert (told["prompt_characters"], told["outcome"], told["finish"]) == (len(prompt), "ok", "stop")
    calls = session.run("select model, purpose, tokens, outcome from lake.calls").rows()
    assert calls == [{"model": FREE, "purpose": "chat", "tokens": 10, "outcome": "ok"}]


def test_a_file_that_takes_too_long_to_parse_filters_nothing(
    lake: Lake, fake: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trees, "SECONDS", 0.05)
    row = run(lake.session(), FREE, file=FILE | {"content": FILE["content"] + '"a\n' * 20_000})
    assert row["chunks"] == 2
    assert "Registry keeps manifests" in fake.prompts[-1]


def test_a_strong_model_is_downgraded_unless_it_is_forced(lake: Lake, fake: Fake) -> None:
    session = lake.session()
    row = run(session)
    assert (row["mode"], row["downgraded_from"]) == ("codereview_isolation", "codereview_lakehouse")
    assert (row["model"], row["chunks"], row["corpora"]) == (STRONG, 0, [])
    assert "OffByOne" in fake.prompts[-1]
    assert "docs/d1" not in fake.prompts[-1]
    row = run(session, force="true")
    assert (row["mode"], row["downgraded_from"], row["chunks"]) == ("codereview_lakehouse", None, 1)
    assert last_run(session)["reason"] == "the mode is forced"
    row = run(session, force="codereview_playbook_only")
    assert (row["mode"], row["chunks"]) == ("codereview_playbook_only", 0)
    assert "pub struct" not in fake.prompts[-1]
    assert "OffByOne" in fake.prompts[-1]
    assert f"# File {FILE['path']}" in fake.prompts[-1]
    run(session, force="codereview_null")
    assert fake.prompts[-1].startswith("Look at the file")
    assert "OffByOne" not in fake.prompts[-1]
    run(session, force="codereview_matrix_only")
    assert "OffByOne" not in fake.prompts[-1]
    assert "docs/d1" in fake.prompts[-1]


def test_full_enrichment_can_be_forced(fake: Fake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LH_FORCE_FULL_ENRICHMENT", "1")
    lake = opened(fake, tmp_path, relevance__filter=False)
    row = run(lake.session())
    assert (row["mode"], row["downgraded_from"], row["model"], row["chunks"]) == (
        "codereview_lakehouse",
        None,
        STRONG,
        2,
    )
    lake.close()


def test_a_task_class_has_its_own_model_and_instruction(lake: Lake, fake: Fake) -> None:
    session = lake.session()
    session.run(
        "select * from create_task_class('code_review', 'codereview_lakehouse', model := ?, "
        "instruction := 'Say hello.')",
        [FREE],
    )
    assert run(session)["model"] == FREE
    assert fake.prompts[-1].startswith("Say hello.\n\n# Request")
    assert run(session, "extractive")["model"] == "extractive"
    assert len(fake.prompts) == 1


def test_a_model_that_fails_is_an_error_and_a_row(fake: Fake, tmp_path: Path) -> None:
    keys = tmp_path / "keys.toml"
    keys.write_text(f'"{fake.url}/v1" = "sk-secret"\n')
    keys.chmod(0o600)
    lake = opened(fake, tmp_path, models__key_file=keys)
    session = lake.session()
    fake.plan = ["500", "503"]
    with pytest.raises(Busy, match="is not available: status 503"):
        run(session)
    assert fake.keys[-1] == "Bearer sk-secret"
    told = last_run(session)
    assert (told["outcome"], told["mode"], told["chunks_kept"]) == ("BUSY", "codereview_isolation", 0)
    everything = str(session.run("from lake.journal").rows()) + str(session.run("from lake.settings").rows())
    assert "sk-secret" not in everything
    lake.close()


def test_a_prompt_that_is_too_long_is_refused_and_not_cut(fake: Fake, tmp_path: Path) -> None:
    lake = opened(fake, tmp_path, models__prompt_characters=2000)
    with pytest.raises(Invalid, match=r"has \d+ characters, about \d+ tokens; 2000 may be sent"):
        run(lake.session(), file=FILE | {"content": "x" * 2700})
    assert fake.prompts == []
    lake.close()


def test_cancelling_does_not_wait_for_the_model(lake: Lake, fake: Fake) -> None:
    fake.plan = ["hang"]
    session = lake.session()
    failures: list[Exception] = []

    def ask() -> None:
        try:
            run(session)
        except TimedOut as error:
            failures.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    until = time.monotonic() + 10
    while not fake.seen and time.monotonic() < until:
        time.sleep(0.01)
    started = time.monotonic()
    for one in lake.statements(session):
        one.cancel()
    thread.join(10)
    assert failures
    assert time.monotonic() - started < 1.5
    assert last_run(lake.session())["outcome"] == "TIMEOUT"


def test_what_is_hidden_from_the_caller_is_not_sent(lake: Lake, fake: Fake) -> None:
    owner = lake.session()
    owner.run("create table pay as select 'p1' as id, 'Salary of Ann for the Connector pool: 90000.' as text")
    owner.run("select * from create_corpus('pay', source := 'pay', id := 'id', text := 'text')")
    question = {"prompt": "salary of Ann for the Connector pool"}
    assert run(owner, FREE, file=question)["corpora"] == ["docs", "pay"]
    assert "90000" in fake.prompts[-1]
    bob = session_of(lake, "bob", "contributor", ("docs",))
    assert run(bob, FREE, file=question)["corpora"] == ["docs"]
    assert "90000" not in fake.prompts[-1]
    assert bob.run("select count(*) as n from lake.mode_runs").rows() == [{"n": 1}]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (None, "neither a text nor an object"),
        (["x"], "neither a text nor an object"),
        ({}, "the prompt is empty"),
        ({"prompt": 3}, "is not a text"),
        ({"pathh": "x"}, "did you mean 'path'"),
        ({"path": 3}, "is not a text"),
    ],
)
def test_prompts_that_are_none(given: object, said: str) -> None:
    with pytest.raises(Invalid, match=said):
        tasks.parse(json.dumps(given))


def test_a_text_that_looks_like_json_is_a_text() -> None:
    for text in ('{"a": 1}', "{not json", "{}", '{"prompt": "x", "other": 1}'):
        assert tasks.parse(json.dumps(text)).request == text
    assert tasks.parse(json.dumps('{"prompt": "x"}')).request == "x"


def test_parts_that_are_empty_are_left_out() -> None:
    assert compose("Do it.", tasks.parse('"why?"'), [], []) == "Do it.\n\n# Request\nwhy?"
    assert "# Excerpts\n[c/1]\nx" in compose("Do it.", tasks.parse('"why?"'), [], [Excerpt("c", "1", " x ")])
    fenced = compose("Do it.", tasks.parse(json.dumps({"content": "a ``` b"})), [], [])
    assert fenced == "Do it.\n\n# File (no name)\n````\na ``` b\n````"


@pytest.mark.timeout(60)  # where the fence grows by one and looks again it takes ten minutes
def test_a_fence_is_longer_than_any_in_the_file() -> None:
    many = compose("Do it.", tasks.parse(json.dumps({"content": "`" * 1_000_000})), [], [])
    assert many.endswith("\n" + "`" * 1_000_001)
    few = compose("Do it.", tasks.parse(json.dumps({"content": "a ` b `````` c"})), [], [])
    assert few.splitlines()[-3:] == ["`" * 7, "a ` b `````` c", "`" * 7]


def test_half_a_surrogate_pair_of_a_model_is_replaced(lake: Lake, fake: Fake) -> None:
    fake.says = lambda prompt: "a \ud800 b \U0001f600"
    session = lake.session()
    assert run(session)["answer"] == "a \ufffd b \U0001f600"
    assert last_run(session)["outcome"] == "ok"
    assert session.run("select answer from lake.answers").rows() == [{"answer": "a \ufffd b \U0001f600"}]


@pytest.mark.parametrize("text", ['{"prompt": "\\ud800"}', json.dumps('{"prompt": "\\ud800"}')])
def test_half_a_surrogate_pair_of_the_caller_is_refused(text: str) -> None:
    with pytest.raises(Invalid, match="half of a surrogate pair"):
        tasks.parse(text)


def test_a_run_whose_mode_is_missing_says_which(lake: Lake) -> None:
    with lake.control() as cursor:
        cursor.execute("delete from control.mode where mode = 'codereview_isolation'")
    session = lake.session()
    with pytest.raises(NotFound, match="mode 'codereview_isolation' does not exist"):
        run(session)
    told = last_run(session)
    assert (told["mode"], told["downgraded_from"]) == ("codereview_isolation", "codereview_lakehouse")


@pytest.mark.parametrize(
    ("focus", "filtered"),
    [({"path": "a/b.rs"}, True), ({"defined_symbols": ["A"]}, True), ({"imported_symbols": ["A"]}, False)],
)
def test_what_switches_the_filter_on(focus: dict[str, Any], filtered: bool) -> None:
    assert tasks.parse(json.dumps(focus | {"content": "what is it?"})).is_code == filtered


@pytest.mark.parametrize("count", [True, 10**30, "many", [1]])
def test_a_count_that_is_none_breaks_no_view(lake: Lake, count: object) -> None:
    body = {"tokens": count, "texts": count, "tries": count, "milliseconds": "soon", "outcome": "ok"}
    lake.journal.record("call", "m", body, durable=True)
    sql = "select tokens, texts, tries, milliseconds, outcome from lake.calls where model = 'm'"
    (row,) = lake.session().run(sql).rows()
    assert row == {"tokens": None, "texts": None, "tries": None, "milliseconds": None, "outcome": "ok"}
