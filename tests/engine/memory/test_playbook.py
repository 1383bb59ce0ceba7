"""The classic mode against the numbers of the original system."""

import json

import pytest

from engine.memory.playbook import Move, Near, Playbook, classic, playbook_id, same_role
from engine.search.fusion import Key
from engine.session import Session


def near(id: str, distance: float, score: float = 1.0, corpus: str = "widgets", role: str | None = None) -> Near:
    return Near(Playbook(playbook_id("q", corpus, id), "q", corpus, id, score, role, None, "m"), distance)


def test_a_full_score_halves_the_distance_and_zero_leaves_it() -> None:
    assert near("c", 0.1, 1.0).playbook.factor == 0.5
    assert near("c", 0.1, 0.0).playbook.factor == 1.0
    present = {Key("widgets", "a"): 0.2, Key("widgets", "b"): 0.5, Key("widgets", "c"): 0.6566}
    move = classic([near("c", 0.0)], present, present)[Key("widgets", "c")]
    assert present[Key("widgets", "c")] * move.near.playbook.factor == pytest.approx(0.3283)


def test_an_id_of_another_corpus_does_not_match() -> None:
    found = [Key("widgets", "c")]
    assert classic([near("c", 0.4, corpus="gadgets")], found, found) == {}


def test_no_question_is_nearer_than_itself() -> None:
    told = Move(near("c", -1e-6), False).explained()
    assert told["query_distance"] == 0.0


def test_the_strongest_outcome_counts_once() -> None:
    found = [Key("widgets", "c")]
    moves = classic([near("c", 0.1, 0.4), near("c", 0.2, 0.9)], found, found)
    assert moves[Key("widgets", "c")].near.playbook.score == 0.9


@pytest.mark.parametrize(("distance", "brought_in"), [(0.0, True), (0.20, True), (0.21, False), (0.46, False)])
def test_only_a_near_question_brings_an_answer_in(distance: float, brought_in: bool) -> None:
    one = near("x", distance)
    assert classic([one], [], []) == ({one.playbook.key: Move(one, True)} if brought_in else {})


def test_an_answer_is_brought_in_once_by_its_nearest_question() -> None:
    first, second = near("x", 0.05), near("x", 0.15)
    assert classic([second, first], [], [])[first.playbook.key].near.distance == 0.05


def test_what_stands_too_low_to_be_shown_is_brought_in_like_what_was_not_found() -> None:
    one, farther = near("x", 0.05), near("x", 0.3)
    assert classic([one, farther], [one.playbook.key], []) == {one.playbook.key: Move(one, True)}
    assert classic([farther], [one.playbook.key], []) == {one.playbook.key: Move(farther, False)}


def test_what_was_wrong_is_not_brought_in() -> None:
    assert classic([near("x", 0.05, score=0.0)], [], []) == {}


def company(session: Session) -> None:
    session.run(
        "create table docs as select 'd' || i as id, if(i < 20, 'forklift operator warehouse night shift number ', "
        "'painter decorator ladder brush number ') || i as text from range(300) as r(i)"
    )
    session.run("select * from create_corpus('docs', source := 'docs', id := 'id', text := 'text')")


@pytest.mark.parametrize(
    "search",
    [
        "matrix_search('forklift operator night'",
        "hybrid_search('forklift operator night'",
        "hybrid_search('forklift operator night', alpha := 1.0",
        "hybrid_search('forklift operator night', alpha := 0.0",
        "hybrid_search('forklift operator night', rrf_k := 60",
        "hybrid_search(embed('forklift operator night')",
    ],
)
def test_what_proved_right_for_the_very_question_is_brought_in_first(session: Session, search: str) -> None:
    company(session)
    session.run("select * from playbook_record('forklift operator night', 'docs', 'd299', 1.0)")
    rows = session.run(f"select id, _distance from {search}, playbook := 'classic', k := 5)").rows()
    assert rows[0] == {"id": "d299", "_distance": pytest.approx(0, abs=1e-6)}


def test_a_farther_question_brings_in_by_its_distance(session: Session) -> None:
    company(session)
    session.run("select * from playbook_record('forklift operator at a warehouse by night', 'docs', 'd299', 0.5)")
    rows = session.run(
        "select id, _distance, _score, _explain from hybrid_search('forklift operator at warehouse by night', k := 30, "
        "playbook := 'classic') where id = 'd299'"
    ).rows()
    asked = json.loads(str(rows[0]["_explain"]))["playbook"]
    assert asked["injected"]
    assert 0.001 < asked["query_distance"] < 0.2
    assert rows[0]["_distance"] == pytest.approx(asked["query_distance"] * 0.75, abs=1e-6)
    assert rows[0]["_score"] == pytest.approx((1 - float(str(rows[0]["_distance"]))) / 2, abs=1e-6)


@pytest.mark.parametrize(
    ("recorded", "asked", "same"),
    [
        ("Forklift Operator", "CNC Operator", False),
        ("Forklift Operator", "Forklift Operators", True),
        ("forklift operator", "Forklift Operator", True),
        ("", "CNC Operator", True),
        (None, "CNC Operator", True),
        ("Forklift Operator", None, True),
        ("secretary", "Secretaries", True),
        ("Shift Boss", "shift bosses", True),
        ("coach", "coaches", True),
        ("cache operator", "caches operators", True),
        ("nurse", "nurses", True),
        ("nurse", "nursery nurse", False),
        ("roadie", "roadies", True),
        ("bus driver", "buses drivers", True),
        ("action hero", "action heroes", True),
        ("boss", "bos", False),
        ("lady", "lad", False),
        (" ", "CNC Operator", True),
    ],
)
def test_roles_are_compared_without_case_and_plural(recorded: str | None, asked: str | None, same: bool) -> None:
    assert same_role(recorded, asked) is same


def test_the_id_is_that_of_the_triple() -> None:
    assert playbook_id("q", "c", "i") == playbook_id("q", "c", "i")
    assert len({playbook_id("q", "c", "i"), playbook_id("q", "ci", ""), playbook_id("qc", "", "i")}) == 3
