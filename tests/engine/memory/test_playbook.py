"""The classic mode against the numbers of the original system."""

import pytest

from engine.memory.playbook import Move, Near, Playbook, classic, playbook_id, same_role
from engine.search.fusion import Key


def near(id: str, distance: float, score: float = 1.0, corpus: str = "widgets", role: str | None = None) -> Near:
    return Near(Playbook(playbook_id("q", corpus, id), "q", corpus, id, score, role, None, "m"), distance)


def test_a_full_score_halves_the_distance_and_zero_leaves_it() -> None:
    assert near("c", 0.1, 1.0).playbook.factor == 0.5
    assert near("c", 0.1, 0.0).playbook.factor == 1.0
    present = {Key("widgets", "a"): 0.2, Key("widgets", "b"): 0.5, Key("widgets", "c"): 0.6566}
    move = classic([near("c", 0.0)], present)[Key("widgets", "c")]
    assert present[Key("widgets", "c")] * move.near.playbook.factor == pytest.approx(0.3283)


def test_an_id_of_another_corpus_does_not_match() -> None:
    assert classic([near("c", 0.4, corpus="gadgets")], {Key("widgets", "c"): 0.6566}) == {}


def test_the_strongest_outcome_counts_once() -> None:
    moves = classic([near("c", 0.1, 0.4), near("c", 0.2, 0.9)], {Key("widgets", "c"): 0.5})
    assert moves[Key("widgets", "c")].near.playbook.score == 0.9


@pytest.mark.parametrize(("distance", "brought_in"), [(0.0, True), (0.20, True), (0.21, False), (0.46, False)])
def test_only_a_near_question_brings_an_answer_in(distance: float, brought_in: bool) -> None:
    one = near("x", distance)
    assert classic([one], {}) == ({one.playbook.key: Move(one, True)} if brought_in else {})


def test_an_answer_is_brought_in_once_by_its_nearest_question() -> None:
    first, second = near("x", 0.05), near("x", 0.15)
    assert classic([first, second], {})[first.playbook.key].near.distance == 0.05


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
        (" ", "CNC Operator", True),
    ],
)
def test_roles_are_compared_without_case_and_plural(recorded: str | None, asked: str | None, same: bool) -> None:
    assert same_role(recorded, asked) is same


def test_the_id_is_that_of_the_triple() -> None:
    assert playbook_id("q", "c", "i") == playbook_id("q", "c", "i")
    assert len({playbook_id("q", "c", "i"), playbook_id("q", "ci", ""), playbook_id("qc", "", "i")}) == 3
