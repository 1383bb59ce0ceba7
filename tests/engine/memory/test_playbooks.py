"""Recording, superseding and importing outcomes: what is taken, what is refused, and that all can be undone."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.errors import Invalid, NotFound
from engine.lake import Lake
from engine.session import Session
from lakehouse import open_lake
from tests.conftest import FAST

ROOT = Path(__file__).parents[3]
ALL = "select * from hybrid_search(?, k := 20{})"
QUESTIONS = ["forklift driver at night", "crane operator", "hospital nurse"]
STATUS = "select status from playbook_record(?, 'workers', ?, ?)"
IMPORTED = "select status, count(*) as n from playbook_import('from judged') group by 1 order by 1"


@pytest.fixture
def company(session: Session) -> Session:
    """A session with a corpus of sixty workers."""
    session.run(
        "create table workers as select 'W-' || i as id, list_aggregate(list_transform(range(6), lambda n: "
        "['forklift', 'driver', 'night', 'crane', 'operator', 'nurse', 'hospital'][(i * (n + 3) + n) % 7 + 1]), "
        "'string_agg', ' ') as text, if(i % 2 = 0, 'IL', 'WI') as state from range(60) as r(i)"
    )
    session.run("select * from create_corpus('workers', source := 'workers', id := 'id', text := 'text')")
    return session


def answers(session: Session, option: str = "") -> list[list[dict[str, object]]]:
    return [session.run(ALL.format(option), [question]).rows() for question in QUESTIONS]


def judge(session: Session, rows: list[tuple[str, str, float]]) -> list[dict[str, object]]:
    table = pa.table({
        "query": [row[0] for row in rows], "corpus": ["workers"] * len(rows),
        "id": [row[1] for row in rows], "score": [row[2] for row in rows],
    })  # fmt: skip
    session.load(table.to_reader(), "judged", mode="replace")
    return session.run(IMPORTED).rows()


OUTCOMES = st.lists(
    st.tuples(st.sampled_from([*QUESTIONS, "forklift driver", "nurse"]), st.integers(0, 59), st.floats(0, 1)),
    max_size=12,
)


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(OUTCOMES)
def test_off_and_retracted_are_the_same_to_the_last_byte(
    company: Session, outcomes: list[tuple[str, int, float]]
) -> None:
    untouched = answers(company)
    for query, number, score in outcomes:
        company.run(STATUS, [query, f"W-{number}", score])
    assert answers(company, ", playbook := 'off'") == untouched
    moved = answers(company)
    if outcomes:
        extra = ["crane driver", "W-5", 1.0]
        company.run(STATUS, extra)
        company.run("select * from playbook_retract(?, 'workers', ?)", extra[:2])
        assert answers(company) == moved
    for query, number in {(query, number) for query, number, _ in outcomes}:
        company.run("select * from playbook_retract(?, 'workers', ?)", [query, f"W-{number}"])
    assert answers(company) == untouched


def test_a_reopened_lake_answers_alike(tmp_path: Path) -> None:
    home = tmp_path / "home"
    lake = open_lake(home, settings=FAST)
    session = lake.session()
    session.run("create table docs as select 'd' || i as id, 'text number ' || i as text from range(40) as r(i)")
    session.run("select * from create_corpus('docs', source := 'docs', id := 'id', text := 'text')")
    session.run("select * from playbook_record('text number 7', 'docs', 'd9', 1.0)")
    session.run("select * from playbook_record('number 7', 'docs', 'd7', 0.0)")
    search = "select * from hybrid_search('the number 7')"
    before = session.run(search).rows()
    lake.close()
    lake = open_lake(home, settings=FAST)
    assert lake.session().run(search).rows() == before
    lake.close()


def test_filters_and_exclusion_hold(company: Session) -> None:
    company.run(STATUS, [QUESTIONS[0], "W-3", 1.0])
    search = "select id from matrix_search(?, k := 60, per_corpus_k := null{})"
    everything = company.run(search.format(""), [QUESTIONS[0]]).rows()
    assert "W-3" in [row["id"] for row in everything]
    for option in (", filter := $$state = 'IL'$$", ", exclude := ['W-3']"):
        assert "W-3" not in [row["id"] for row in company.run(search.format(option), [QUESTIONS[0]]).rows()]


@pytest.mark.parametrize("score", [-0.1, 1.5, float("nan"), float("inf"), None])
def test_a_score_outside_0_and_1_is_refused(company: Session, score: float | None) -> None:
    with pytest.raises(Invalid, match="is not within 0 and 1"):
        company.run(STATUS, ["q", "W-1", score])


@pytest.mark.parametrize(("query", "id"), [("", "W-1"), ("  ", "W-1"), (None, "W-1"), ("q", ""), ("q", None)])
def test_a_missing_value_is_refused(company: Session, query: str | None, id: str | None) -> None:
    with pytest.raises(Invalid, match="an outcome needs a query, a corpus and an id"):
        company.run(STATUS, [query, id, 1.0])


def test_long_and_odd_questions_are_kept(company: Session) -> None:
    for query in ("forklift driver " * 5000, "größe 🚚 \u0000 日本", "'; drop table workers --"):
        assert company.run(STATUS, [query, "W-1", 1.0]).rows() == [{"status": "created"}]
        assert company.run(ALL.format(""), [query]).rows()
    with pytest.raises(Invalid, match="longer than a question may be"):
        company.run(STATUS, ["forklift " * 30_000, "W-1", 1.0])


def test_of_two_writers_of_one_outcome_one_is_last(company: Session, lake: Lake) -> None:
    failed: list[BaseException] = []

    def write(score: float) -> None:
        try:
            for _ in range(10):
                lake.session().run(STATUS, ["q", "W-1", score])
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=write, args=[score]) for score in (0.0, 1.0)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    (kept,) = company.run("select score from lake.playbooks").rows()
    (last,) = company.run("select score from lake.outcomes order by ts desc limit 1").rows()
    assert kept == last


def test_an_import_tells_each_row_and_takes_the_good_ones(company: Session) -> None:
    counted = judge(
        company, [("q", "W-1", 1.0), ("q", "W-1", 1.0), ("q", "W-1", 0.5), ("q", "W-99", 1.0), ("", "W-1", 1)]
    )
    assert counted == [
        {"status": "created", "n": 1},
        {"status": "failed", "n": 2},
        {"status": "replaced", "n": 1},
        {"status": "unchanged", "n": 1},
    ]
    assert company.run("select score from lake.playbooks").rows() == [{"score": 0.5}]
    assert company.run("select count(*) as n from lake.outcomes").rows() == [{"n": 2}]


def test_an_import_is_the_same_as_recording_one_by_one(company: Session) -> None:
    rows = [(question, f"W-{n}", float(n % 3 == 0)) for n in range(10) for question in QUESTIONS]
    judge(company, rows)
    together = answers(company)
    for query, id, _ in rows:
        company.run("select * from playbook_retract(?, 'workers', ?)", [query, id])
    for row in rows:
        company.run(STATUS, list(row))
    assert answers(company) == together


def test_lake_playbooks_can_be_imported_again(company: Session) -> None:
    judge(company, [(QUESTIONS[0], "W-1", 1.0)])
    again = company.run("select status from playbook_import('from lake.playbooks')").rows()
    assert again == [{"status": "unchanged"}]


def test_what_is_superseded_cannot_be_revised(company: Session) -> None:
    (made,) = company.run("select playbook_id from playbook_record('q', 'workers', 'W-1', 1.0, note := 'seen')").rows()
    supersede = "select * from playbook_supersede(?, 'q', 'workers', 'W-2', 1.0)"
    (new,) = company.run(supersede, [made["playbook_id"]]).rows()
    assert new["status"] == "superseded"
    assert company.run("select id, note from lake.playbooks").rows() == [{"id": "W-2", "note": "seen"}]
    with pytest.raises(NotFound, match="retracted or superseded"):
        company.run(supersede, [made["playbook_id"]])


def test_the_history_tells_which_statement_recorded_an_outcome(company: Session) -> None:
    company.run(STATUS, [QUESTIONS[0], "W-1", 1.0])
    judge(company, [(QUESTIONS[1], "W-2", 0.0)])
    found = company.run(
        "select outcome.id, statement.sql from lake.outcomes as outcome join lake.statements as statement "
        "using (statement_id) order by outcome.ts"
    ).rows()
    assert found == [{"id": "W-1", "sql": STATUS}, {"id": "W-2", "sql": IMPORTED}]


@pytest.mark.parametrize("columns", ["query, corpus, id, score, score", 'query, corpus, id, score, 1.0 as "SCORE"'])
def test_two_columns_of_one_name_are_refused(company: Session, columns: str) -> None:
    with pytest.raises(Invalid, match="several columns 'score'"):
        company.run(f"select * from playbook_import('select {columns} from lake.playbooks')")


def test_retracting_twice_is_harmless_and_says_so(company: Session) -> None:
    company.run(STATUS, [QUESTIONS[0], "W-1", 1.0])
    retract = "select status from playbook_retract(?, 'workers', ?)"
    statuses = [company.run(retract, [QUESTIONS[0], "W-1"]).rows() for _ in range(3)]
    assert statuses == [[{"status": "retracted"}], [{"status": "unchanged"}], [{"status": "unchanged"}]]
    history = company.run("select action from lake.outcomes order by ts").rows()
    assert [row["action"] for row in history] == ["recorded", "retracted"]
    with pytest.raises(NotFound, match="no outcome is recorded"):
        company.run(retract, [QUESTIONS[0], "W-2"])


def test_a_corpus_of_another_model_keeps_its_outcomes(company: Session) -> None:
    company.run(STATUS, [QUESTIONS[0], "W-9", 1.0])
    company.run("select * from drop_corpus('workers')")
    again = (
        "select * from create_corpus('workers', source := 'workers', id := 'id', text := 'text', embedder := 'hash:64')"
    )
    company.run(again)
    explained = "select _explain ->> '$.playbook.query' as query from hybrid_search(?, k := 60) where id = 'W-9'"
    assert company.run(explained, [QUESTIONS[0]]).rows() == [{"query": QUESTIONS[0]}]
    told = company.run(
        "select (body ->> 'outcomes')::int as n from lake.journal where kind = 'playbook_embedded'"
    ).rows()
    assert told == [{"n": 1}]


def test_a_profile_learns_nothing_of_what_it_does_not_see(company: Session, lake: Lake) -> None:
    company.run(STATUS, [QUESTIONS[0], "W-3", 1.0])
    company.run("select * from create_profile('guest', role := 'contributor')")
    company.run("select * from grant_access('guest', 'workers', filter := $$state = 'IL'$$)")
    guest = lake.session("guest")
    found = guest.run(
        "select id, _explain ->> '$.playbook' as moved from hybrid_search(?, k := 60)", [QUESTIONS[0]]
    ).rows()
    assert found
    assert all(row["moved"] is None and int(str(row["id"])[2:]) % 2 == 0 for row in found)
    hidden = "select 'q' as query, 'workers' as corpus, 'W-3' as id, 1 as score"
    (refused,) = guest.run(f"select error from playbook_import($${hidden}$$)").rows()
    assert str(refused["error"]).startswith("[NOT_FOUND]")


@pytest.mark.slow
def test_a_hundred_thousand_outcomes(company: Session) -> None:
    company.run(
        "create table judged as select 'question ' || i // 10 || ' of ' || i % 7 as query, 'workers' as corpus, "
        "'W-' || i % 60 as id, (i % 3 = 0)::double as score from range(100000) as r(i)"
    )
    assert company.run(IMPORTED).rows() == [{"status": "created", "n": 100_000}]
    assert answers(company, ", playbook := 'off'")
    assert answers(company) == answers(company)
    assert company.run("select count(*) as n from lake.playbooks where answer = 'there'").rows() == [{"n": 100_000}]


WORKER = """
import sys
from lakehouse import open_lake
session = open_lake(sys.argv[1], settings={"models.embedder": "hash:256"}).session()
for n in range(10_000):
    query = f"select 'question {n}' as query, 'docs' as corpus, 'd' || i as id, 1 as score from range(40) as r(i)"
    session.run(f"select count(*) from playbook_import($${query}$$)").rows()
    print(n, flush=True)
"""


def test_an_import_is_whole_or_not_there_after_a_kill(tmp_path: Path) -> None:
    home = tmp_path / "home"
    lake = open_lake(home, settings=FAST)
    session = lake.session()
    session.run("create table docs as select 'd' || i as id, 'text ' || i as text from range(40) as r(i)")
    session.run("select * from create_corpus('docs', source := 'docs', id := 'id', text := 'text')")
    lake.close()
    worker = subprocess.Popen([sys.executable, "-c", WORKER, str(home)], stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert worker.stdout is not None
    done = [int(worker.stdout.readline()) for _ in range(4)]
    os.kill(worker.pid, signal.SIGKILL)
    done += [int(line) for line in worker.stdout]
    worker.wait()
    worker.stdout.close()
    lake = open_lake(home, settings=FAST)
    counted = lake.session().run("select query, count(*) as n from lake.playbooks group by 1").rows()
    told = lake.session().run("select count(*) as n from lake.outcomes").rows()
    lake.close()
    assert {row["n"] for row in counted} == {40}
    assert {f"question {n}" for n in done} <= {str(row["query"]) for row in counted}
    assert told == [{"n": 40 * len(counted)}]
