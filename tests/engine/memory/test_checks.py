"""Memory that harms a corpus is switched off by its own measure, and there is a way back."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine.errors import Forbidden, Invalid, NotFound
from engine.lake import Lake
from engine.memory.checks import harms
from engine.memory.lift import Lift
from engine.session import Session
from lakehouse import open_lake
from tests.asking import session_of
from tests.conftest import FAST

WORDS = "forklift driver on the night shift of a warehouse in joliet with code"
N = 24
SEARCHES = ["select * from hybrid_search(?, playbook := '{}')", "select * from matrix_search(?, playbook := '{}')"]


def asked(number: int) -> str:
    """Two numbers have a subject in common, and each a code."""
    return " ".join(f"{word}{number // 2}" for word in WORDS.split()) + f" c{number}"


def fill(session: Session) -> None:
    """Documents of which two differ in their codes only; each has that of the next one, too."""
    texts = ", ".join(f"('d{n}', '{asked(n)} c{n} c{n} c{n + 1}')" for n in range(N))
    session.run(f"create table docs as from (values {texts}) as doc(id, text)")
    session.run("select * from create_corpus('docs', source := 'docs', id := 'id', text := 'text')")


def mislead(session: Session) -> None:
    """Each question needs another document, and two look alike."""
    for number in range(N):
        session.run("select * from playbook_record(?, 'docs', ?, 1.0)", [asked(number), f"d{number}"])


def answers(session: Session, playbook: str) -> list[list[dict[str, Any]]]:
    return [session.run(sql.format(playbook), [asked(3)]).rows() for sql in SEARCHES]


def off(session: Session) -> list[str]:
    return [str(row["corpus"]) for row in session.run("from lake.playbook_switches").rows()]


def checks(session: Session) -> list[object]:
    return [row["action"] for row in session.run("from lake.playbook_checks order by ts").rows()]


def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not true():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.02)


@pytest.mark.parametrize(
    ("ndcg_off", "ndcg_on", "helped", "hurt", "expected"),
    [
        (0.8, 0.7, 0, 5, True),
        (0.8, 0.7, 0, 4, False),  # four of four may be chance
        (0.8, 0.7, 3, 12, True),
        (0.8, 0.7, 6, 9, False),
        (0.8, 0.8, 0, 9, False),
        (0.7, 0.8, 9, 0, False),
    ],
)
def test_harm_is_more_than_chance(ndcg_off: float, ndcg_on: float, helped: int, hurt: int, expected: bool) -> None:
    assert harms(Lift("c", 20, ndcg_off, ndcg_on, 0, 0, helped, hurt)) is expected


def test_what_harms_is_switched_off_and_comes_back_when_it_does_not(lake: Lake) -> None:
    session = lake.session()
    fill(session)
    untouched = answers(session, "robust")
    check = "select status, hurt > helped as harm from playbook_check()"
    assert session.run("select status, questions from playbook_check()").rows() == [
        {"status": "unmeasured", "questions": 0}
    ]
    mislead(session)
    assert answers(session, "robust") != untouched
    assert session.run(check).rows() == [{"status": "switched_off", "harm": True}]
    for playbook in ("robust", "classic", "off"):
        assert answers(session, playbook) == untouched
    (row,) = session.run("from lake.playbook_switches").rows()
    assert (row["corpus"], row["by_check"]) == ("docs", True)
    assert str(row["why"]).startswith("nDCG@10 falls from ")
    assert session.run(check).rows() == [{"status": "unchanged", "harm": True}]
    for number in range(N):
        session.run("select * from playbook_retract(?, 'docs', ?)", [asked(number), f"d{number}"])
    for words in ("alpha beta", "alpha beta gamma"):
        session.run("select * from playbook_record(?, 'docs', 'd3', 1.0)", [words])
    assert session.run(check).rows() == [{"status": "switched_on", "harm": False}]
    assert off(session) == []
    assert checks(session) == ["switched_off", "unchanged", "switched_on"]


def test_switching_by_hand(lake: Lake) -> None:
    session = lake.session()
    fill(session)
    session.run("select * from playbook_record('the night shift', 'docs', 'd3', 1.0)")
    untouched, moved = answers(session, "off"), answers(session, "robust")
    switch = "select status, enabled from playbook_switch('docs', {})"
    assert session.run(switch.format("true")).rows() == [{"status": "unchanged", "enabled": True}]
    assert session.run(switch.format("false, note := 'not yet'")).rows() == [
        {"status": "switched_off", "enabled": False}
    ]
    assert answers(session, "robust") == untouched
    assert session.run("select status from playbook_check()").rows() == [{"status": "unchanged"}]
    assert off(session) == ["docs"]  # what a person switched stays
    assert session.run("select why, by_check from lake.playbook_switches").rows() == [
        {"why": "not yet", "by_check": False}
    ]
    assert session.run(switch.format("true")).rows() == [{"status": "switched_on", "enabled": True}]
    assert answers(session, "robust") == moved
    with pytest.raises(NotFound, match="did you mean 'docs'"):
        session.run("select * from playbook_switch('doc', true)").rows()
    with pytest.raises(Invalid, match="enabled is NULL"):
        session.run("select * from playbook_switch('docs', null)").rows()


def test_who_may_switch(lake: Lake) -> None:
    owner = lake.session()
    fill(owner)
    with pytest.raises(Forbidden):
        session_of(lake, "con", "contributor").run("select * from playbook_switch('docs', false)").rows()
    stranger = session_of(lake, "ed", "editor", ("nothing*",))
    with pytest.raises(NotFound):
        stranger.run("select * from playbook_switch('docs', false)").rows()
    assert stranger.run("from playbook_check()").rows() == []
    owner.run("select * from playbook_switch('docs', false)").rows()
    assert off(stranger) == []
    assert off(session_of(lake, "dora", "editor", ("docs",))) == ["docs"]


def test_a_lake_checks_itself_after_so_many_outcomes(tmp_path: Path) -> None:
    home = tmp_path / "home"
    lake = open_lake(home, settings={**FAST, "memory.check_outcomes": N})
    session = lake.session()
    fill(session)
    untouched = answers(session, "off")
    session.run("select * from playbook_record('something else', 'docs', 'd1', 1.0)")
    session.run("select * from playbook_retract('something else', 'docs', 'd1')")
    assert checks(session) == []
    mislead(session)
    until(lambda: off(session) == ["docs"])
    assert answers(session, "robust") == untouched
    lake.close()
    lake = open_lake(home, settings=FAST)
    assert off(lake.session()) == ["docs"]
    assert answers(lake.session(), "robust") == untouched
    lake.close()


def test_a_lake_checks_itself_by_the_clock(tmp_path: Path) -> None:
    lake = open_lake(tmp_path / "home", settings={**FAST, "memory.check_hours": 0.0005})
    session = lake.session()
    fill(session)
    mislead(session)
    until(lambda: off(session) == ["docs"])
    lake.close()


def test_by_default_nothing_is_checked(lake: Lake) -> None:
    session = lake.session()
    fill(session)
    mislead(session)
    assert lake.checks._thread is None
    assert (checks(session), off(session)) == ([], [])
