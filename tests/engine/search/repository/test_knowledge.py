"""What the lake came to know: answers and outcomes as corpora that grow with them, and who gets to see them."""

from pathlib import Path

import pytest

from engine.errors import Forbidden, Invalid
from engine.lake import Lake
from engine.search.repository import knowledge
from engine.session import Session
from lakehouse import open_lake
from tests.conftest import FAST

ASK = "select grounded from ask(?, corpora := ['notes'])"
RECORD = "select * from playbook_record(?, 'notes', 'N-1', ?, note := 'seen on site')"
MAKE = "select status, rows from create_corpus('{0}', source := 'select * from {1}()', id := 'id', text := 'text')"
CARD = "what card does a forklift operator need?"


@pytest.fixture
def notes(session: Session) -> Session:
    """A session with a corpus of two notes."""
    session.run(
        "create table notes as select * from (values "
        "('N-1', 'Every forklift operator needs a card of certification.'), "
        "('N-2', 'Wear gloves and goggles when you are welding.')) as note(id, body)"
    )
    session.run("select * from create_corpus('notes', source := 'notes', id := 'id', text := 'body')")
    return session


def found(session: Session, question: str, corpus: str) -> list[object]:
    return [row["content"] for row in session.run("select content from text_search(?, [?])", [question, corpus]).rows()]


def test_a_corpus_of_answers_grows_with_them(notes: Session) -> None:
    assert notes.run(MAKE.format("answers", "answers")).rows() == [{"status": "created", "rows": 0}]
    assert notes.run(ASK, [CARD]).rows() == [{"grounded": True}]
    notes.run("select * from run_mode('staffing_inference', 'who wears goggles when welding?')")
    (refreshed,) = notes.run("select added from refresh_corpus('answers')").rows()
    assert refreshed == {"added": 2}
    assert found(notes, "forklift", "answers") == ["Every forklift operator needs a card of certification."]
    assert found(notes, "goggles", "answers") == ["Wear gloves and goggles when you are welding. [notes/N-2]"]


def test_a_corpus_of_playbooks_grows_with_them(notes: Session) -> None:
    notes.run(MAKE.format("playbooks", "successful_playbooks"))
    notes.run(RECORD, ["forklift card", 1.0])
    notes.run("select * from refresh_corpus('playbooks')")
    assert found(notes, "forklift", "playbooks") == ["forklift card\nseen on site"]
    notes.run("select * from playbook_retract('forklift card', 'notes', 'N-1')")
    (refreshed,) = notes.run("select deleted from refresh_corpus('playbooks')").rows()
    assert refreshed == {"deleted": 1}
    assert found(notes, "forklift", "playbooks") == []


def test_only_outcomes_that_held_are_successful(notes: Session) -> None:
    for question, score in (("right", 1.0), ("nearly", 0.75), ("unsure", 0.5), ("wrong", 0.0)):
        notes.run(RECORD, [question, score])
    notes.run("select * from playbook_record('gone', 'notes', 'N-9', 1.0, allow_missing := true)")
    select = "select question from successful_playbooks({}) order by question"
    assert [row["question"] for row in notes.run(select.format("")).rows()] == ["nearly", "right"]
    assert [row["question"] for row in notes.run(select.format("min_score := 1")).rows()] == ["right"]
    assert len(notes.run(select.format("min_score := null")).rows()) == 2
    for wrong in ("-0.1", "1.1", "'nan'::double"):
        with pytest.raises(Invalid, match="min_score"):
            notes.run(select.format(f"min_score := {wrong}"))


def test_the_latest_answer_to_a_question_counts(notes: Session) -> None:
    notes.run(ASK, [CARD])
    notes.run("update notes set body = 'A forklift operator needs a red card of certification.' where id = 'N-1'")
    notes.run("select * from refresh_corpus('notes')")
    notes.run(ASK, [CARD])
    (row,) = notes.run("select asked, question, answer, corpora from answers()").rows()
    assert row == {
        "asked": "ask", "question": CARD, "answer": "A forklift operator needs a red card of certification.",
        "corpora": ["notes"],
    }  # fmt: skip
    assert notes.run("select count(*) as n from lake.answers").rows() == [{"n": 2}]


def test_what_found_nothing_is_no_answer(notes: Session) -> None:
    assert notes.run(ASK, ["zebra xylophone quartet"]).rows() == [{"grounded": False}]
    notes.run("select * from run_mode('staffing_inference', 'zebra xylophone quartet')")
    notes.run("select * from run_mode('code_review', 'zebra?', force_mode := 'codereview_null')")
    assert notes.run("select * from answers()").rows() == []


def test_a_long_answer_is_cut(notes: Session, lake: Lake) -> None:
    given = knowledge.Answered("ask", "q" * 5000, "a" * 50_000, "model", [])
    knowledge.keep(lake, given, "admin", "s-1")
    (row,) = notes.run("select length(question) as q, length(answer) as a from answers()").rows()
    assert row == {"q": knowledge.LONGEST_QUESTION, "a": knowledge.LONGEST_ANSWER}


def test_answers_outlive_the_server_and_can_be_switched_off(tmp_path: Path) -> None:
    for settings, kept in ((FAST, 1), (FAST | {"journal.answers": False}, 1)):
        lake = open_lake(tmp_path / "home", settings=settings)
        session = lake.session()
        session.run("create table if not exists notes as select 'N-1' as id, 'A forklift operator has a card.' as body")
        session.run("select * from create_corpus('notes', source := 'notes', id := 'id', text := 'body')")
        session.run(ASK, [f"who is a forklift operator with a card, {len(settings)}?"])
        assert len(session.run("select * from answers()").rows()) == kept
        lake.close()


def test_nobody_learns_what_others_were_told(notes: Session, lake: Lake) -> None:
    notes.run(ASK, [CARD])
    notes.run(RECORD, ["forklift card", 1.0])
    notes.run("select * from create_profile('guest', role := 'contributor')")
    guest = lake.session("guest")
    for nothing in ("answers()", "successful_playbooks()", "lake.answers"):
        assert guest.run(f"select * from {nothing}").rows() == []
    notes.run("select * from grant_access('guest', 'notes', filter := $$id = 'N-2'$$)")
    assert guest.run("select * from successful_playbooks()").rows() == [], "of a corpus that is seen in part"
    guest.run(ASK, ["what does one wear when welding?"])
    assert [row["answer"] for row in guest.run("select answer from answers()").rows()] == [
        "Wear gloves and goggles when you are welding."
    ]
    notes.run("select * from revoke_access('guest', 'notes')")
    assert guest.run("select * from answers()").rows() == [], "of a corpus that is seen no more"
    assert len(notes.run("select * from answers()").rows()) == 2


def test_a_corpus_of_them_is_made_with_the_rights_of_its_maker(notes: Session, lake: Lake) -> None:
    notes.run(RECORD, ["forklift card", 1.0])
    notes.run("select * from create_profile('guest', role := 'editor')")
    notes.run("select * from grant_access('guest', 'own*')")
    guest = lake.session("guest")
    assert guest.run(MAKE.format("own", "successful_playbooks")).rows() == [{"status": "created", "rows": 0}]
    notes.run("select * from refresh_corpus('own')")
    assert found(notes, "forklift", "own") == [], "the admin who refreshes it does not lend his eyes"
    with pytest.raises(Forbidden):
        guest.run(MAKE.format("other", "answers"))
