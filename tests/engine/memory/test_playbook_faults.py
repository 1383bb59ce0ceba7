"""Outcomes under bad input, load, races and models that change: what is refused, what is kept, what is said."""

import time
from collections.abc import Iterator
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import pytest

from engine.errors import Busy, Invalid, NotFound, TimedOut
from engine.lake import Lake
from engine.search.fusion import Key
from engine.session import Session
from lakehouse import open_lake
from tests.conftest import FAST
from tests.engine.models.fake_endpoint import Fake, running
from tests.engine.patience import Task, until

RECORD = "select playbook_id, status from playbook_record(?, ?, ?, ?, allow_missing := ?)"
SEARCH = (
    "select id, _explain ->> '$.playbook' as moved from hybrid_search('night driver', k := 10, playbook := 'robust')"
)
CREATE = "select * from create_corpus('workers', source := 'workers', id := 'id', text := 'text'{})"
FLOOR = 5000  # outcomes a second of processor time, which does not depend on who else works; with the test embedder


@pytest.fixture
def company(session: Session) -> Session:
    """A session with a corpus of ten workers."""
    fill(session)
    session.run(CREATE.format(""))
    return session


def fill(session: Session) -> None:
    session.run(
        "create table workers as select 'W-' || i as id, "
        "['forklift', 'night', 'crane'][i % 3 + 1] || ' driver number ' || i as text from range(10) as r(i)"
    )


def kept(session: Session) -> list[dict[str, object]]:
    return session.run("select query, id, score, note from lake.playbooks order by all").rows()


def test_an_import_refuses_what_is_no_score_row_by_row(company: Session) -> None:
    scores = "('nan'::double), (null), (-0.001), (1.001), ('inf'::double), (0), (1), (0.5)"
    named = "'q' || row_number() over () as query, 'workers' as corpus, 'W-1' as id"
    rows = f"select {named}, score from (values {scores}) as given(score)"
    answered = company.run(f"select status, error from playbook_import($${rows}$$)").rows()
    assert [row["status"] for row in answered] == ["failed"] * 5 + ["created"] * 3
    assert all("is not within 0 and 1" in str(row["error"]) for row in answered[:5])
    words = "select 'q' as query, 'workers' as corpus, 'W-1' as id, 'very good' as score"
    (row,) = company.run(f"select error from playbook_import($${words}$$)").rows()
    assert str(row["error"]).startswith("[INVALID] the score very good is not within 0 and 1")
    assert len(kept(company)) == 3


def test_a_superseding_outcome_needs_a_score_and_a_document_too(company: Session) -> None:
    (made,) = company.run(RECORD, ["q", "workers", "W-1", 1.0, False]).rows()
    supersede = "select * from playbook_supersede(?, 'q', 'workers', ?, ?)"
    for id, score, kind in (("W-2", float("nan"), Invalid), ("W-2", None, Invalid), ("W-99", 1.0, NotFound)):
        with pytest.raises(kind):
            company.run(supersede, [made["playbook_id"], id, score])
    assert kept(company) == [{"query": "q", "id": "W-1", "score": 1.0, "note": None}]


@pytest.mark.parametrize("allowed", [False, True])
def test_an_unknown_corpus_has_no_model_to_read_the_question_with(company: Session, allowed: bool) -> None:
    with pytest.raises(NotFound, match="corpus 'worker' does not exist"):
        company.run(RECORD, ["q", "worker", "W-1", 1.0, allowed])


def test_a_document_that_comes_later_has_its_outcome_waiting(company: Session) -> None:
    with pytest.raises(NotFound, match="has no document 'W-10'"):
        company.run(RECORD, ["night driver", "workers", "W-10", 1.0, False])
    company.run(RECORD, ["night driver", "workers", "W-10", 1.0, True])
    assert all(row["moved"] is None for row in company.run(SEARCH).rows())
    company.run("insert into workers values ('W-10', 'night driver number 10')")
    company.run("select * from refresh_corpus('workers')")
    moved = {row["id"]: row["moved"] for row in company.run(SEARCH).rows()}
    assert moved["W-10"] is not None


@pytest.mark.parametrize("size", [10_000, pytest.param(100_000, marks=pytest.mark.slow)])
def test_many_outcomes_in_one_statement_are_recorded_fast(company: Session, size: int) -> None:
    named = "'question ' || i as query, 'workers' as corpus, 'W-' || i % 10 as id"
    rows = f"select {named}, i % 2 as score from range({size}) as r(i)"
    started, used = time.monotonic(), time.process_time()
    answered = company.run(f"select status, count(*) as n from playbook_import($${rows}$$) group by 1").rows()
    rate = size / (time.process_time() - used)
    print(f"{size} outcomes: {size / (time.monotonic() - started):.0f} a second, {rate:.0f} a second of processor time")
    assert answered == [{"status": "created", "n": size}]
    assert company.run("select count(*) as n from lake.playbooks").rows() == [{"n": size}]
    assert rate >= FLOOR


def test_one_bad_row_among_many_fails_alone(company: Session) -> None:
    rows = (
        "select 'q' || i as query, 'workers' as corpus, 'W-1' as id, if(i = 500, 2, 1) as score from range(1000) r(i)"
    )
    counted = company.run(f"select status, count(*) as n from playbook_import($${rows}$$) group by 1 order by 1").rows()
    assert counted == [{"status": "created", "n": 999}, {"status": "failed", "n": 1}]


def test_writers_that_record_retract_and_replace_one_outcome_leave_one_truth(company: Session, lake: Lake) -> None:
    def work(sql: str, parameters: list[object]) -> None:
        session = lake.session()
        for _ in range(15):
            with suppress(NotFound):  # it is retracted, or not there yet
                session.run(sql, parameters)
        session.close()

    rows = "select 'night driver' as query, 'workers' as corpus, 'W-1' as id, 0 as score, 'imported' as note"
    writers = [
        Task(lambda: work(RECORD, ["night driver", "workers", "W-1", 1.0, False])),
        Task(lambda: work("select * from playbook_retract(?, ?, ?)", ["night driver", "workers", "W-1"])),
        Task(lambda: work(f"select * from playbook_import($${rows}$$)", [])),
    ]
    for writer in writers:
        writer.result()
    company.run(RECORD, ["night driver", "workers", "W-1", 0.25, False])
    (entry,) = kept(company)
    assert entry["score"] == 0.25
    told = company.run("select action from lake.outcomes order by ts").rows()
    actions = [row["action"] for row in told]
    assert all(after == "recorded" for before, after in pairwise(actions) if before == "retracted"), "retracted twice"
    assert actions[-1] == "recorded"
    searched = company.run(SEARCH).rows()
    home = lake.home
    lake.close()
    again = open_lake(home, settings=FAST)
    assert kept(again.session()) == [entry], "memory and disk agree"
    assert again.session().run(SEARCH).rows() == searched
    again.close()


@pytest.mark.parametrize("function", ["matrix_search", "hybrid_search"])
@pytest.mark.parametrize("mode", ["robust", "classic", "off"])
def test_questions_that_are_long_empty_or_missing(company: Session, function: str, mode: str) -> None:
    long = "night driver of a forklift " * 2000
    assert company.run(RECORD, [long, "workers", "W-1", 1.0, False]).rows()[0]["status"] == "created"
    call = f"select id from {function}(?, playbook := '{mode}')"
    assert company.run(call, [long]).rows()
    assert company.run(call, [None]).rows() == []
    for empty in ("", " \n"):
        with pytest.raises(Invalid, match="the question is empty"):
            company.run(call, [empty])


@pytest.fixture
def fake() -> Iterator[Fake]:
    with running() as server:
        yield server


def test_outcomes_whose_question_a_new_model_cannot_read_are_set_aside_with_the_reason(
    fake: Fake, tmp_path: Path
) -> None:
    settings = {**FAST, "models.endpoints": [f"{fake.url}/v1"]}
    lake = open_lake(tmp_path / "home", settings=settings)
    session = lake.session()
    fill(session)
    session.run(CREATE.format(""))
    session.run(RECORD, ["driver, night", "workers", "W-1", 1.0, False])
    before = kept(session)
    session.run("select * from drop_corpus('workers')")
    session.run(CREATE.format(f", embedder := 'openai:{fake.url}/v1#m'"))
    fake.plan += ["ok", "400"]  # the question of the search, then those of the outcomes
    assert all(row["moved"] is None for row in session.run(SEARCH).rows())
    (told,) = session.run("select body from lake.journal where kind = 'playbook_set_aside'").rows()
    assert "[" in str(told["body"])
    assert kept(session) == before, "set aside, not lost"
    lake.close()
    again = open_lake(tmp_path / "home", settings=settings)
    moved = {row["id"]: row["moved"] for row in again.session().run(SEARCH).rows()}
    assert moved["W-1"] is not None, "the next opening tries again"
    again.close()


def with_endpoint(fake: Fake, home: Path) -> Lake:
    """A lake whose corpora may be embedded by a fake endpoint, with the ten workers not yet in a corpus."""
    lake = open_lake(home, settings={**FAST, "models.endpoints": [f"{fake.url}/v1"]})
    fill(lake.session())
    return lake


def test_an_import_over_two_models_that_is_cancelled_leaves_nothing(fake: Fake, tmp_path: Path) -> None:
    lake = with_endpoint(fake, tmp_path / "home")
    session = lake.session()
    session.run(CREATE.format(""))
    session.run(
        "select * from create_corpus('others', source := 'workers', id := 'id', text := 'text', "
        f"embedder := 'openai:{fake.url}/v1#m')"
    )
    rows = "select 'a question' as query, unnest(['workers', 'others']) as corpus, 'W-1' as id, 1 as score"
    fake.plan += ["hang"]
    importing = Task(lambda: session.run(f"from playbook_import($${rows}$$)", statement_id="it").rows())
    until(lambda: not fake.plan)
    session.cancel("it")
    with pytest.raises(TimedOut):
        importing.result()
    assert kept(session) == []
    fake.plan += ["400"]
    answered = session.run(f"select status, error from playbook_import($${rows}$$) order by index").rows()
    assert [row["status"] for row in answered] == ["created", "failed"]
    assert "refuses the request" in str(answered[1]["error"])
    lake.close()


def moved_to_endpoint(fake: Fake, lake: Lake) -> Session:
    """A session whose outcome was recorded for another model than the corpus has now."""
    session = lake.session()
    session.run(CREATE.format(""))
    session.run(RECORD, ["driver, night", "workers", "W-1", 1.0, False])
    session.run("select * from drop_corpus('workers')")
    session.run(CREATE.format(f", embedder := 'openai:{fake.url}/v1#m'"))
    return session


def test_a_search_that_embeds_old_questions_is_cancelled_and_keeps_nobody_waiting(fake: Fake, tmp_path: Path) -> None:
    lake = with_endpoint(fake, tmp_path / "home")
    session, other = moved_to_endpoint(fake, lake), lake.session()
    session.run(SEARCH.replace("robust", "off")).rows()  # the question of the search is known then
    for function in (SEARCH, SEARCH.replace("robust", "classic")):
        fake.plan += ["hang"]
        searching = Task(lambda: session.run(function, statement_id="it").rows())  # noqa: B023
        until(lambda: not fake.plan)
        started = time.monotonic()
        other.run(RECORD, [f"another {function}", "workers", "W-2", 1.0, False])
        session.cancel("it")
        with pytest.raises(TimedOut):
            searching.result()
        assert time.monotonic() - started < 1
    moved = {row["id"]: row["moved"] for row in session.run(SEARCH).rows()}
    assert moved["W-1"] is not None
    lake.close()


def test_an_outcome_that_comes_when_its_corpus_has_got_another_model_is_embedded_again(
    fake: Fake, tmp_path: Path
) -> None:
    lake = with_endpoint(fake, tmp_path / "home")
    session, other = lake.session(), lake.session()
    session.run(CREATE.format(f", embedder := 'openai:{fake.url}/v1#m'"))
    fake.plan += ["slow"]
    recording = Task(lambda: session.run(RECORD, ["night driver", "workers", "W-7", 1.0, False]).rows())
    until(lambda: not fake.plan)
    other.run("select * from drop_corpus('workers')")
    other.run(CREATE.format(""))
    assert all(row["moved"] is None for row in other.run(SEARCH).rows())
    recording.result()
    assert {row["id"] for row in other.run(SEARCH).rows() if row["moved"]} == {"W-7"}
    lake.close()


@pytest.mark.parametrize(
    ("selected", "expected"),
    [
        ("'a' as query, 'W-1' as id, 1 as score, 'infinity'::timestamp as note", ("a", "W-1", 1.0, "infinity")),
        ("'a' as query, 'W-1' as id, true as score, '4000-01-01 (BC)'::date as note", ("a", "W-1", 1.0, None)),
        ("0.1::float as query, 'W-1' as id, '0.5' as score", ("0.1", "W-1", 0.5, None)),
        ("true as query, 'W-1' as id, 0.5::decimal(4, 2) as score;", ("true", "W-1", 0.5, None)),
        ("'a'::blob as query, 'W-1' as id, 0 as score -- a comment", ("a", "W-1", 0.0, None)),
        ("'é' as query, 'W-1' as id, 0.25 as score /* and */ ; -- more", ("é", "W-1", 0.25, None)),
    ],
)
def test_an_import_takes_values_as_sql_writes_them(
    company: Session, selected: str, expected: tuple[object, ...]
) -> None:
    answered = company.run("select status, error from playbook_import(?)", [f"select 'workers' as corpus, {selected}"])
    assert answered.rows() == [{"status": "created", "error": None}]
    (row,) = kept(company)
    assert tuple(row.values())[:3] == expected[:3]
    assert expected[3] in (None, row["note"])


def test_a_damaged_corpus_hides_no_outcomes_of_others(company: Session, lake: Lake) -> None:
    company.run(CREATE.replace("'workers', source", "'others', source").format(""))
    for corpus in ("workers", "others"):
        company.run(RECORD, ["q", corpus, "W-1", 1.0, False])
    for path in lake.corpora.folder("others").glob("*/chunks.arrow"):
        path.write_bytes(b"not what it was")
    lake.corpora.close()
    answers = company.run("select corpus, answer from lake.playbooks order by corpus").rows()
    assert answers == [{"corpus": "others", "answer": "unreadable"}, {"corpus": "workers", "answer": "there"}]
    checked = {row["corpus"]: row["status"] for row in company.run("from playbook_check()").rows()}
    assert checked == {"others": "unreadable", "workers": "unchanged"}
    with pytest.raises(Invalid, match="the list of corpora is empty"):
        company.run("from playbook_check([])").rows()


def test_what_is_measured_does_not_change_while_outcomes_go(company: Session, lake: Lake) -> None:
    for number in range(3):
        company.run(RECORD, [f"night driver {number}", "workers", "W-1", 1.0, False])
    held = lake.playbooks.held(lake.corpora.live("workers"))
    before = [vector.tolist() for _, vector, _ in held]
    for number in range(3):
        company.run("select * from playbook_retract(?, 'workers', 'W-1')", [f"night driver {number}"])
    assert [vector.tolist() for _, vector, _ in held] == before


def test_nobody_records_while_failures_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lake = open_lake(tmp_path / "home", settings={**FAST, "memory.failure_factor": 0.5})
    session, other = lake.session(), lake.session()
    fill(session)
    session.run(CREATE.format(""))
    session.run(RECORD, ["night driver", "workers", "W-1", 1.0, False])
    (evidence,) = lake.playbooks._evidence.values()
    counted, recording = evidence.failures, []

    def meanwhile(key: Key) -> int:
        monkeypatch.setattr(evidence, "failures", counted)
        recording.append(Task(lambda: other.run(RECORD, ["crane", "workers", "W-1", 0.0, False]).rows()))
        time.sleep(0.3)
        assert not recording[0].done
        return counted(key)

    monkeypatch.setattr(evidence, "failures", meanwhile)
    assert session.run(SEARCH.replace("robust", "classic")).rows()
    assert recording[0].result()
    lake.close()


def test_measuring_what_must_be_embedded_first_is_cancelled(fake: Fake, tmp_path: Path) -> None:
    lake = with_endpoint(fake, tmp_path / "home")
    session = moved_to_endpoint(fake, lake)
    for function in ("playbook_lift()", "playbook_check()"):
        fake.plan += ["hang"]
        measuring = Task(lambda: session.run(f"from {function}", statement_id="it").rows())  # noqa: B023
        until(lambda: not fake.plan)
        started = time.monotonic()
        session.cancel("it")
        with pytest.raises(TimedOut):
            measuring.result()
        assert time.monotonic() - started < 1
    lake.close()


def test_what_is_in_memory_follows_the_disk_after_a_fault(
    company: Session, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    company.run(RECORD, ["night driver", "workers", "W-1", 1.0, False])

    def failing(*_: object) -> None:
        raise MemoryError

    with monkeypatch.context() as patched:
        patched.setattr("engine.memory.evidence.Evidence.add_all", failing)
        with suppress(Busy):
            company.run(RECORD, ["night driver", "workers", "W-2", 1.0, False])
    assert {row["id"] for row in company.run(SEARCH).rows() if row["moved"]} == {"W-1", "W-2"}
