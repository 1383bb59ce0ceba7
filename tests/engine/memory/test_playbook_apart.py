"""What is recorded stays where it belongs: apart are corpora, the lives of one, profiles, and questions."""

import json
from pathlib import Path

import pytest

from engine.errors import Invalid, NotFound
from engine.lake import Lake
from engine.memory.evidence import Asked
from engine.search.fusion import Key
from engine.session import Session
from lakehouse import open_lake
from tests.asking import session_of
from tests.conftest import FAST

QUESTION = "forklift driver at night"
SHIFTED = "forklift driver at night shift"
RECORD = "select status from playbook_record(?, ?, ?, ?, allow_missing := ?)"
SEARCH = (
    "select id, _score, _explain ->> '$.playbook' as playbook from hybrid_search(?, corpora := ['workers'], k := 60)"
)
TEXT = (
    "list_aggregate(list_transform(range(6), lambda n: "
    "['forklift', 'driver', 'night', 'crane', 'operator', 'nurse', 'hospital'][(i * (n + {0}) + n) % 7 + 1]), "
    "'string_agg', ' ')"
)


def fill(session: Session, corpus: str, shift: int = 3, embedder: str | None = None) -> None:
    """A corpus of sixty documents; even ones are of IL."""
    session.run(
        f"create or replace table {corpus} as select 'W-' || i as id, {TEXT.format(shift)} as text, "
        "if(i % 2 = 0, 'IL', 'WI') as state from range(60) as r(i)"
    )
    by = f", embedder := '{embedder}'" if embedder else ""
    session.run(f"select * from create_corpus('{corpus}', source := '{corpus}', id := 'id', text := 'text'{by})")


def record(session: Session, query: str, id: str, score: float = 1.0, corpus: str = "workers") -> object:
    return session.run(RECORD, [query, corpus, id, score, False]).rows()[0]["status"]


def crowd(session: Session, corpus: str) -> None:
    """Outcomes of many questions that are as near as it gets."""
    rows = f"select '{QUESTION} at site ' || i as query, '{corpus}' as corpus, 'W-' || i as id, 1.0 as score"
    session.run(f"select count(*) from playbook_import($${rows} from range(42) as r(i)$$)").rows()


def found(session: Session, question: str = QUESTION) -> list[dict[str, object]]:
    return session.run(SEARCH, [question]).rows()


def test_outcomes_of_other_corpora_say_nothing(session: Session) -> None:
    fill(session, "workers")
    fill(session, "others")
    record(session, SHIFTED, "W-31")
    before = found(session)
    assert any(row["playbook"] for row in before)
    crowd(session, "others")
    assert found(session) == before
    record(session, QUESTION, "W-30", corpus="others")
    both = session.run("select * from hybrid_search(?, corpora := ['workers', 'others'], k := 99)", [QUESTION]).rows()
    assert {row["_corpus"] for row in both if "playbook" in json.loads(str(row["_explain"]))} == {"workers", "others"}


def test_what_is_excluded_says_nothing_of_others(tmp_path: Path) -> None:
    questions = [f"{QUESTION} at site {number}" for number in range(42)]
    lake = open_lake(tmp_path / "home", settings={**FAST, "memory.exclude_questions": questions})
    session = lake.session()
    fill(session, "workers")
    record(session, SHIFTED, "W-31")
    before = found(session)
    crowd(session, "workers")
    assert found(session) == before
    assert session.run("select count(*) as n from lake.playbooks").rows() == [{"n": 43}]
    lake.close()


def test_a_corpus_that_is_made_anew_is_judged_anew(session: Session, lake: Lake) -> None:
    fill(session, "workers")
    needs, places = ("unnest(['forklift', 'nurse', 'crane', 'driver']) as " + name for name in ("need", "place"))
    session.run(
        "select count(*) from playbook_import($$select 'need a ' || need || ' for ' || place as query, 'workers' as "
        "corpus, 'W-' || hash(need || place || i) % 60 as id, (hash(need || place || i || 'x') % 3 = 0)::int as score "
        f"from (select {needs}), (select {places}), range(6) as r(i)$$)"
    ).rows()
    asked = ["need a forklift for the night", "nurse and driver", "need a crane for nurse"]
    [found(session, question) for question in asked]
    session.run("select * from drop_corpus('workers')")
    fill(session, "workers", shift=4)
    before = [found(session, question) for question in asked]
    lake.playbooks.__init__(lake)  # type: ignore[misc]  # as when the lake is opened again
    assert [found(session, question) for question in asked] == before


def test_the_classic_mode_follows_another_model_by_itself(session: Session) -> None:
    fill(session, "workers")
    record(session, QUESTION, "W-9")
    session.run("select * from drop_corpus('workers')")
    fill(session, "workers", embedder="hash:64")
    rows = session.run("select id, _explain from hybrid_search(?, k := 60, playbook := 'classic')", [QUESTION]).rows()
    assert [row["id"] for row in rows if "playbook" in json.loads(str(row["_explain"]))] == ["W-9"]


def test_a_search_of_what_is_gone_takes_no_outcomes_with_it(session: Session, lake: Lake) -> None:
    fill(session, "workers")
    record(session, QUESTION, "W-9")
    former = lake.corpora.live("workers")
    vector = lake.models.questions("hash:256").embed_questions([QUESTION])[0]
    session.run("select * from drop_corpus('workers')")
    fill(session, "workers", embedder="hash:64")
    assert any(row["playbook"] for row in found(session))
    lake.playbooks.recall(Asked(vector, QUESTION), [former], None, [Key("workers", "W-9")])
    assert any(row["playbook"] for row in found(session))
    models = session.run("select count(*) as n from lake.journal where kind = 'playbook_embedded'").rows()
    assert models == [{"n": 1}]


@pytest.fixture
def guest(session: Session, lake: Lake) -> Session:
    """A contributor who sees the workers of IL, and what the owner has recorded of W-2 and of W-3, who is of WI."""
    fill(session, "workers")
    for id in ("W-2", "W-3"):
        record(session, SHIFTED, id)
    made = session_of(lake, "guest", "contributor", ())
    session.run("select * from grant_access('guest', 'workers', filter := $$state = 'IL'$$)")
    return made


@pytest.mark.parametrize("id", ["W-3", "W-5", "W-999"])
def test_what_is_recorded_of_hidden_documents_is_as_if_it_were_not(guest: Session, session: Session, id: str) -> None:
    kept = session.run("from lake.playbooks order by playbook_id").rows()
    made = session.run("select sha256(concat_ws(chr(31), ?, 'workers', ?))[:32] as id", [SHIFTED, id]).rows()[0]["id"]
    for allowed in (False, True):
        with pytest.raises(NotFound, match=f"has no document '{id}'"):
            guest.run(RECORD, [SHIFTED, "workers", id, 1.0, allowed]).rows()
    with pytest.raises(NotFound, match="no outcome is recorded for"):
        guest.run("select * from playbook_retract(?, 'workers', ?)", [SHIFTED, id]).rows()
    with pytest.raises(NotFound, match="there is no playbook"):
        guest.run("select * from playbook_supersede(?, 'q', 'workers', 'W-2', 1.0)", [made]).rows()
    assert session.run("from lake.playbooks order by playbook_id").rows() == kept


def test_what_is_recorded_of_shown_documents_may_be_changed(guest: Session, session: Session) -> None:
    assert record(guest, SHIFTED, "W-2", 0.0) == "replaced"
    guest.run("select * from playbook_retract(?, 'workers', 'W-2')", [SHIFTED]).rows()
    assert session.run("select id from lake.playbooks").rows() == [{"id": "W-3"}]
    session.run("select * from playbook_record('later', 'workers', 'W-999', 1.0, allow_missing := true)")
    session.run("select * from playbook_retract('later', 'workers', 'W-999')")


@pytest.mark.parametrize("mode", ["robust", "classic"])
def test_what_was_asked_is_told_to_who_sees_the_whole_corpus(guest: Session, session: Session, mode: str) -> None:
    search = "select _explain from hybrid_search(?, k := 60, playbook := ?)"

    def told(reader: Session) -> list[object]:
        rows = [json.loads(str(row["_explain"])) for row in reader.run(search, [QUESTION, mode]).rows()]
        return [row["playbook"] for row in rows if "playbook" in row]

    assert told(guest)
    assert SHIFTED not in json.dumps(told(guest))
    assert SHIFTED in json.dumps(told(session))


def test_a_question_is_the_same_when_its_words_are(session: Session) -> None:
    fill(session, "workers")
    log_odds = "select max((_explain ->> '$.playbook.log_odds')::double) as most from hybrid_search(?, k := 60)"

    def heard(question: str) -> object:
        return session.run(log_odds, [question]).rows()[0]["most"]

    record(session, "\U0001f600", "W-31")  # no word that the model knows: its vector is that of any other such text
    assert heard("\U0001f680") is None
    assert heard("\U0001f600") is not None
    record(session, QUESTION, "W-20")
    assert heard(QUESTION) == heard("Forklift driver, at NIGHT?")


@pytest.mark.parametrize("mode", ["", "robsut"])
def test_an_unknown_mode_is_refused(session: Session, mode: str) -> None:
    fill(session, "workers")
    with pytest.raises(Invalid, match="unknown playbook mode"):
        session.run("select * from hybrid_search(?, playbook := ?)", [QUESTION, mode]).rows()


def test_what_has_nothing_in_common_with_a_question_moves_too(session: Session) -> None:
    fill(session, "workers")
    asked = "zebra quantum"
    assert not any(row["_score"] for row in found(session, asked))
    record(session, asked, "W-30")
    assert found(session, asked)[0]["id"] == "W-30"
    session.run("select * from playbook_retract(?, 'workers', 'W-30')", [asked])
    record(session, asked, "W-0", 0.0)
    assert not any(row["_score"] for row in found(session, asked))
