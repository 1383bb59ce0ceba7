"""Corpora follow their sources by themselves: after a change, at set times, after a restart, and through failures."""

import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from engine.errors import Invalid, LakehouseError
from engine.lake import Lake
from engine.search import indexing, policy, watched
from engine.session import Session
from lakehouse import open_lake
from tests.engine.search.indexed import SETTINGS, table

PATIENCE = 20.0
MORNING = datetime(2026, 3, 1, 2, 59, 50, tzinfo=UTC).timestamp()


def until(holds: Callable[[], bool]) -> None:
    """Wait for what happens in the background."""
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, "it does not happen"
        threading.Event().wait(0.02)


class Clock:
    """The time of the lake, as a test sets it."""

    def __init__(self) -> None:
        self.now = MORNING

    def __call__(self) -> float:
        return self.now


def opened(home: Path, **options: object) -> Lake:
    settings = {**SETTINGS, "search.append_seconds": 0.05}
    return open_lake(home, settings=settings, **options)


@pytest.fixture
def lake(tmp_path: Path) -> Iterator[Lake]:
    made = opened(tmp_path / "home")
    yield made
    made.close()


@pytest.fixture
def session(lake: Lake) -> Session:
    made = lake.session()
    table(made, "docs", 0, 50)
    return made


def create(session: Session, refresh: str, source: str = "docs", corpus: str = "docs") -> str:
    sql = "select status from create_corpus(?, source := ?, id := 'id', text := 'text', refresh := ?)"
    return str(session.run(sql, [corpus, source, refresh]).rows()[0]["status"])


def documents(lake: Lake, corpus: str = "docs") -> int:
    return lake.corpora.live(corpus).manifest.documents


def errors(session: Session) -> list[str]:
    rows = session.run("select message from lake.errors where sql like '%refresh_corpus%' order by ts").rows()
    return [str(row["message"]) for row in rows]


def test_a_change_of_the_source_is_followed(lake: Lake, session: Session) -> None:
    assert create(session, "on_append") == "created"
    table(session, "docs", 50, 60)
    until(lambda: documents(lake) == 60)
    session.run("delete from docs where id = 'd000003'")
    until(lambda: documents(lake) == 59)
    transaction = session.begin()
    session.run("insert into docs values ('late', 'forklift', 1)", transaction=transaction)
    session.commit(transaction)
    until(lambda: "late" in lake.corpora.live("docs").places)
    swaps = session.run("select why, actor from lake.swaps order by ts").rows()
    assert swaps[0] == {"why": "created", "actor": "admin"}
    assert {row["why"] for row in swaps[1:]} <= {"refreshed", "rebuilt"}


def test_a_manual_corpus_and_other_tables_are_left_alone(
    lake: Lake, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    refreshed: list[str | None] = []
    original = indexing.Indexer.refresh

    def refresh(self: indexing.Indexer, corpus: str | None) -> indexing.Outcome:
        refreshed.append(corpus)
        return original(self, corpus)

    monkeypatch.setattr(indexing.Indexer, "refresh", refresh)
    table(session, "other", 0, 5)
    create(session, "manual")
    create(session, "on_append", "other", "other")
    table(session, "docs", 50, 60)
    table(session, "other", 5, 10)
    until(lambda: documents(lake, "other") == 10)
    assert documents(lake) == 50
    assert set(refreshed) == {"other"}


@pytest.mark.parametrize("source", ["select * from docs where part < 5", "select * from shown", "from rows_of()"])
def test_queries_views_and_macros_are_seen_through(lake: Lake, session: Session, source: str) -> None:
    session.run("create view between_them as select * from docs where part < 5")
    session.run("create view shown as from between_them")
    session.run("create macro rows_of() as table from docs where part < 5")
    create(session, "on_append", source)
    session.run("insert into docs values ('new', 'forklift', 1), ('not', 'forklift', 7)")
    until(lambda: "new" in lake.corpora.live("docs").places)
    assert "not" not in lake.corpora.live("docs").places


def test_a_folder_cannot_be_followed_by_changes_that_the_lake_hears_of(session: Session) -> None:
    with pytest.raises(Invalid, match="reads a folder"):
        create(session, "on_append", "from repo_documents('code')")
    source = "select docs.* from docs, repo_documents('code')"
    with pytest.raises(LakehouseError, match="code"):  # it is read, and is not there
        create(session, "on_append", source)


def test_it_is_told_when_a_corpus_was_swapped(session: Session) -> None:
    create(session, "manual")
    session.run("insert into docs values ('new', 'forklift', 1)")
    session.run("select * from refresh_corpus('docs')")
    (row,) = session.run("select swapped_at > created_at as later from lake.corpora").rows()
    assert row == {"later": True}


RECORD = "select * from playbook_record(?, 'docs', 'd000001', 1.0)"


def questions(lake: Lake) -> set[str]:
    """What the corpus of successful playbooks holds."""
    rows = lake.session().run("select content from text_search('forklift', corpora := ['proven'], k := 50)").rows()
    return {str(row["content"]) for row in rows}


def test_what_the_lake_knows_is_followed_as_it_grows(lake: Lake, session: Session, tmp_path: Path) -> None:
    create(session, "manual")
    create(session, "on_append", "select * from successful_playbooks()", "proven")
    create(session, "on_append", "select * from answers()", "answers")
    session.run(RECORD, ["forklift at night"])
    until(lambda: questions(lake) == {"forklift at night"})
    assert session.run("select grounded from ask('forklift?', corpora := ['docs'])").rows() == [{"grounded": True}]
    until(lambda: documents(lake, "answers") == 1)
    session.run(RECORD, ["forklift at noon"])
    session.run("select * from playbook_retract('forklift at night', 'docs', 'd000001')")
    until(lambda: questions(lake) == {"forklift at noon"})
    lake.corpora.upkeep.close()
    session.run(RECORD, ["forklift by day"])
    lake.close()
    again = opened(tmp_path / "home")
    until(lambda: questions(again) == {"forklift at noon", "forklift by day"})
    again.close()


@pytest.mark.parametrize(
    ("source", "kinds"),
    [
        ("from answers()", {"answer"}),
        ("with p as (from fn.Successful_Playbooks(1)) from p join answers() using (id)", {"answer", "outcome", "swap"}),
        ("select query as id from lake.playbooks", {"outcome", "swap"}),
        ("select a as id from outcomes", set()),
        ('select playbooks as id, answers from "answers" -- successful_playbooks()', set()),
    ],
)
def test_what_a_source_knows_by(source: str, kinds: set[str]) -> None:
    assert watched.knowledge(source) == kinds


def test_an_outcome_whose_document_comes_later_is_followed(lake: Lake, session: Session) -> None:
    create(session, "manual")
    create(session, "on_append", "select * from successful_playbooks()", "proven")
    session.run("select * from playbook_record('forklift at last', 'docs', 'late', 1.0, allow_missing := true)")
    session.run("insert into docs values ('late', 'forklift', 1)")
    session.run("select * from refresh_corpus('docs')")
    until(lambda: questions(lake) == {"forklift at last"})


def test_what_the_lake_knows_is_not_read_again_for_nothing(
    lake: Lake, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    create(session, "manual")
    create(session, "on_append", "select * from answers()", "answers")
    create(session, "on_append", "select * from successful_playbooks()", "proven")
    session.run(RECORD, ["forklift at night"])
    until(lambda: documents(lake, "proven") == 1)
    refreshed: list[str | None] = []
    monkeypatch.setattr(indexing.Indexer, "refresh", lambda self, corpus: refreshed.append(corpus))
    table(session, "other", 0, 5)
    threading.Event().wait(0.5)
    assert refreshed == []


def test_the_tables_of_a_source(lake: Lake, session: Session) -> None:
    session.run('create view "as" as select * from docs')
    session.run('create view w as from "as" where id in (select id from docs)')
    session.run("create schema s")
    session.run('create table s."Other one" (id varchar)')
    cursor = lake.cursor()
    try:
        assert watched.tables(cursor, "docs") == {"docs"}
        assert watched.tables(cursor, "w") == {"docs"}
        joined = 'select one.id from s."Other one" as one join docs on docs.id = one.id'
        assert watched.tables(cursor, joined) == {"other one", "docs"}
        assert watched.tables(cursor, "select id from w join docs using (id)") is None
        assert watched.tables(cursor, "values (1)") == set()
        assert watched.tables(cursor, "select from from") is None
    finally:
        cursor.close()


def test_many_changes_are_few_refreshes(lake: Lake, session: Session) -> None:
    create(session, "on_append")
    for number in range(30):
        session.run(f"insert into docs values ('n{number}', 'forklift {number}', 1)")
    until(lambda: documents(lake) == 80)
    assert session.run("select count(*) as n from lake.swaps").rows()[0]["n"] < 20  # type: ignore[operator]


def test_what_changed_while_the_lake_was_closed_is_followed_at_open(tmp_path: Path) -> None:
    first = opened(tmp_path / "home")
    session = first.session()
    table(session, "docs", 0, 50)
    create(session, "on_append")
    first.corpora.upkeep.close()
    table(session, "docs", 50, 60)
    assert documents(first) == 50
    first.close()
    again = opened(tmp_path / "home")
    try:
        until(lambda: documents(again) == 60)
    finally:
        again.close()
    version = session_of(tmp_path)
    assert version == ("g000002", 60)


def session_of(tmp_path: Path) -> tuple[str, int]:
    """The live generation after one more open at which nothing is new."""
    quiet = opened(tmp_path / "home")
    try:
        until(lambda: quiet.corpora.upkeep._look_at is None)
        return quiet.corpora.live("docs").name, documents(quiet)
    finally:
        quiet.close()


def test_a_failure_is_an_error_and_the_next_change_tries_again(lake: Lake, session: Session) -> None:
    create(session, "on_append")
    session.run("insert into docs values ('d000001', 'the same id', 1)")
    until(lambda: len(errors(session)) == 1)
    assert "the id 'd000001' stands 2 times" in errors(session)[0]
    assert documents(lake) == 50
    session.run("delete from docs where id = 'd000001' and text = 'the same id'")
    session.run("insert into docs values ('new', 'forklift', 1)")
    until(lambda: documents(lake) == 51)
    assert len(errors(session)) <= 2


def test_a_corpus_whose_source_went_does_not_stop_the_others(lake: Lake, session: Session) -> None:
    table(session, "other", 0, 5)
    create(session, "on_append")
    create(session, "on_append", "other", "other")
    session.run("drop table docs")
    until(lambda: len(errors(session)) == 1)
    table(session, "other", 5, 9)
    until(lambda: documents(lake, "other") == 9)
    assert len(errors(session)) == 1


def test_the_policy_of_a_corpus_is_changed_by_the_same_call(lake: Lake, session: Session) -> None:
    assert create(session, "manual") == "created"
    assert create(session, "on_append") == "changed"
    assert create(session, "on_append") == "exists"
    assert session.run("select refresh from lake.corpora").rows() == [{"refresh": "on_append"}]
    table(session, "docs", 50, 60)
    until(lambda: documents(lake) == 60)
    assert create(session, "manual") == "changed"
    table(session, "docs", 60, 61)
    assert create(session, "0 3 * * *") in ("refreshed", "rebuilt")
    assert session.run("select refresh from lake.corpora").rows() == [{"refresh": "0 3 * * *"}]


def test_a_cron_expression_is_followed_in_utc_also_after_a_restart(tmp_path: Path) -> None:
    clock = Clock()
    lake = opened(tmp_path / "home", clock=clock)
    session = lake.session()
    table(session, "docs", 0, 50)
    create(session, "0 3 * * *")
    table(session, "docs", 50, 60)
    until(lambda: lake.corpora.upkeep._look_at is None)
    assert documents(lake) == 50
    clock.now += 20  # 03:00:10
    lake.corpora.upkeep.notice()
    until(lambda: documents(lake) == 60)
    table(session, "docs", 60, 61)
    until(lambda: lake.corpora.upkeep._look_at is None)
    assert documents(lake) == 60
    lake.close()
    clock.now += 3 * 86400  # missed three times: once is enough
    again = opened(tmp_path / "home", clock=clock)
    try:
        until(lambda: documents(again) == 61)
        until(lambda: again.corpora.upkeep._until_cron() == pytest.approx(86400 - 10))
    finally:
        again.close()


def test_a_refresh_that_runs_ends_when_the_lake_closes(
    tmp_path: Path, lake: Lake, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    create(session, "on_append")
    begun = threading.Event()

    def endless(self: indexing.Indexer, *given: object) -> None:
        begun.set()
        while True:
            self._statement.check()
            threading.Event().wait(0.01)

    monkeypatch.setattr(indexing.Indexer, "_read", endless)
    table(session, "docs", 50, 60)
    assert begun.wait(PATIENCE)
    started = time.monotonic()
    lake.close()
    assert time.monotonic() - started < 5
    assert not [one for one in threading.enumerate() if one.name == "upkeep" and one is lake.corpora.upkeep._thread]
    monkeypatch.undo()
    again = opened(tmp_path / "home")
    try:
        until(lambda: documents(again) == 60)
    finally:
        again.close()


def test_the_source_is_read_with_the_rights_of_who_made_the_corpus(lake: Lake, session: Session) -> None:
    session.run("select * from create_profile('ann', role := 'editor')")
    session.run("select * from grant_access('ann', 'docs', filter := $$part < 5$$)")
    session.run("select * from grant_access('ann', 'mine*')")
    create(lake.session("ann"), "on_append", "docs", "mine")
    session.run("insert into docs values ('seen', 'forklift', 1), ('hidden', 'forklift', 7)")
    until(lambda: "seen" in lake.corpora.live("mine").places)
    assert "hidden" not in lake.corpora.live("mine").places


@pytest.mark.parametrize("refresh", ["manual", "on_append", "*/5 * * * *", "0 3 * * MON-FRI", "0 0 1 1 *"])
def test_policies_that_are_known(refresh: str) -> None:
    policy.check(refresh)


@pytest.mark.parametrize(
    ("refresh", "message"),
    [
        (
            "on_apend",
            "unknown refresh policy 'on_apend'; did you mean 'on_append', or a cron expression of five fields",
        ),
        ("hourly", "unknown refresh policy 'hourly'"),
        ("", "unknown refresh policy ''"),
        ("* * * * * *", "unknown refresh policy"),
        ("61 * * * *", "the cron expression '61 * * * *' is wrong: Bad minute; for example a cron"),
        ("0 0 30 2 *", "Bad day-of-month"),
    ],
)
def test_policies_that_are_not(refresh: str, message: str) -> None:
    with pytest.raises(Invalid) as caught:
        policy.check(refresh)
    assert message in str(caught.value)
