"""What memory adds can be taken away: switched off or retracted, an answer is as if nothing had been recorded."""

from engine.session import Session

QUESTIONS = ["forklift driver at night", "crane operator", "hospital nurse"]
SEARCHES = [
    "select * from matrix_search(?, k := 20, per_corpus_k := null{})",
    "select * from hybrid_search(?, k := 20{})",
]


def company(session: Session) -> None:
    session.run(
        "create table workers as select 'W-' || i as id, list_aggregate(list_transform(range(6), lambda n: "
        "['forklift', 'driver', 'night', 'crane', 'operator', 'nurse', 'hospital'][(i * (n + 3) + n) % 7 + 1]), "
        "'string_agg', ' ') as text from range(60) as r(i)"
    )
    session.run("select * from create_corpus('workers', source := 'workers', id := 'id', text := 'text')")


def answers(session: Session, option: str = "") -> list[list[dict[str, object]]]:
    return [session.run(sql.format(option), [question]).rows() for sql in SEARCHES for question in QUESTIONS]


def test_off_and_retracted_are_the_same_to_the_last_byte(session: Session) -> None:
    company(session)
    untouched = answers(session)
    recorded = [(question, str(untouched[at][7]["id"])) for at, question in enumerate(QUESTIONS)]
    for question, id in recorded:
        session.run("select * from playbook_record(?, 'workers', ?, 1.0)", [question, id])
    assert answers(session) != untouched
    assert answers(session, ", playbook := 'off'") == untouched
    for question, id in recorded:
        session.run("select * from playbook_retract(?, 'workers', ?)", [question, id])
    assert answers(session) == untouched


def test_outcomes_outlive_a_rebuild_and_count_for_nothing_when_their_answer_is_gone(session: Session) -> None:
    company(session)
    before = session.run(SEARCHES[0].format(""), [QUESTIONS[0]]).rows()
    proven = str(before[9]["id"])
    session.run("select * from playbook_record(?, 'workers', ?, 1.0)", [QUESTIONS[0], proven])
    session.run("select * from drop_corpus('workers')")
    session.run("select * from create_corpus('workers', source := 'workers', id := 'id', text := 'text')")
    again = session.run(SEARCHES[0].format(""), [QUESTIONS[0]]).rows()
    assert [row["id"] for row in again].index(proven) < 9
    session.run("delete from workers where id = ?", [proven])
    session.run("select * from refresh_corpus('workers')")
    assert proven not in [row["id"] for row in session.run(SEARCHES[0].format(""), [QUESTIONS[0]]).rows()]
