"""The judge, a real HTTP server that rates, talks nonsense, fails or hangs: what it does not approve is not used."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.errors import TimedOut
from engine.lake import Lake
from engine.search import matrix
from engine.search.request import Request
from engine.session import Session
from lakehouse import open_lake
from tests.asking import session_of
from tests.conftest import FAST
from tests.engine.models.fake_endpoint import Fake, running

QUESTION = "forklift driver at night"
NONSENSE = [
    "", " ", "6", "0", "10", "3.5", "-3", "4/5", "Rating: 4", "four", "I cannot rate this.", "４", "3 4", "\u0664",
]  # fmt: skip


@pytest.fixture
def fake() -> Iterator[Fake]:
    with running() as fake:
        yield fake


def opened(fake: Fake, folder: Path, **settings: object) -> Lake:
    """A lake with a judge and workers; W-9 is right for the question, and not found without memory."""
    given = {
        **FAST, "models.endpoints": [fake.url], "judge.model": f"ollama:{fake.url}#judge",
        **{f"judge.{key}": value for key, value in settings.items()},
    }  # fmt: skip
    lake = open_lake(folder / "home", settings=given)
    session = lake.session()
    session.run(
        "create table workers as select 'W-' || i as id, 'worker number ' || i || ' ' || "
        "if(i = 9, 'reach truck late shift', 'forklift driver at night') as text from range(150) as r(i)"
    )
    session.run("select * from create_corpus('workers', source := 'workers', id := 'id', text := 'text')")
    session.run("select * from playbook_record(?, 'workers', 'W-9', 1.0)", [QUESTION])
    return lake


@pytest.fixture
def lake(fake: Fake, tmp_path: Path) -> Iterator[Lake]:
    made = opened(fake, tmp_path)
    yield made
    made.close()


def found(session: Session, playbook: str = "classic", question: str = QUESTION) -> list[dict[str, Any]]:
    rows = session.run("select * from hybrid_search(?, alpha := 1, playbook := ?)", [question, playbook]).rows()
    return [{"id": row["id"], "explain": json.loads(str(row["_explain"]))} for row in rows]


def ids(rows: list[dict[str, Any]]) -> list[str]:
    return [row["id"] for row in rows]


def told(session: Session) -> list[tuple[object, object]]:
    return [(row["code"], row["message"]) for row in session.run("from lake.errors order by ts").rows()]


def judged(session: Session) -> list[object]:
    return [row["outcome"] for row in session.run("from lake.calls where purpose = 'judge' order by ts").rows()]


def rating(value: str) -> Any:
    return lambda prompt: value


def test_without_a_judge_nobody_is_asked(fake: Fake, tmp_path: Path) -> None:
    lake = opened(fake, tmp_path, model="")
    rows = found(lake.session())
    assert rows[0]["id"] == "W-9"
    assert all("judge" not in row["explain"] for row in rows)
    assert fake.prompts == []
    lake.close()


def test_what_is_approved_is_brought_in(lake: Lake, fake: Fake) -> None:
    fake.says = rating(" 3\n")
    session = lake.session()
    rows = found(session)
    assert rows[0]["id"] == "W-9"
    assert rows[0]["explain"]["judge"] == [
        {"corpus": "workers", "id": "W-9", "approved": True, "rating": 3, "why": "rated 3, at least 3 is needed"}
    ]
    (prompt,) = fake.prompts
    assert QUESTION in prompt
    assert "worker number 9 reach truck late shift" in prompt
    assert (judged(session), told(session)) == (["ok"], [])


def test_what_is_refused_is_not_and_the_answer_says_so(lake: Lake, fake: Fake) -> None:
    fake.says = rating("2")
    session = lake.session()
    rows, off = found(session), found(session, "off")
    assert ids(rows) == ids(off)
    for row in rows:
        (refused,) = row["explain"].pop("judge")
        assert (refused["id"], refused["approved"], refused["rating"]) == ("W-9", False, 2)
    assert rows == off
    assert told(session) == []


def test_a_rating_is_asked_for_once(lake: Lake, fake: Fake) -> None:
    fake.says = rating("5")
    session = lake.session()
    assert found(session) == found(session)
    assert len(fake.prompts) == 1
    found(session, question="forklift driver at night, please")
    assert len(fake.prompts) == 2


@pytest.mark.parametrize("floor", [4, 5])
def test_the_floor_is_a_setting(fake: Fake, tmp_path: Path, floor: int) -> None:
    fake.says = rating("4")
    lake = opened(fake, tmp_path, floor=floor)
    assert ("W-9" in ids(found(lake.session()))) is (floor == 4)
    lake.close()


def test_nonsense_is_no_approval(lake: Lake, fake: Fake) -> None:
    session = lake.session()
    for number, says in enumerate(NONSENSE, 1):
        fake.says = rating(says)
        rows = found(session)
        assert "W-9" not in ids(rows), says
        assert rows[0]["explain"]["judge"][0]["why"] == "the judge did not rate it; see lake.errors"
        assert len(told(session)) == number, says
    assert {code for code, _ in told(session)} == {"INTERNAL"}
    assert all(str(message).startswith("the judge: ") for _, message in told(session))


@pytest.mark.parametrize(
    ("plan", "code", "outcome"),
    [("500", "BUSY", "BUSY"), ("401", "FORBIDDEN", "FORBIDDEN"), ("404", "INVALID", "INVALID"),
     ("garbage", "INTERNAL", "INTERNAL"), ("refusal", "INTERNAL", "ok")],
)  # fmt: skip
def test_a_judge_that_fails_approves_nothing(lake: Lake, fake: Fake, plan: str, code: str, outcome: str) -> None:
    fake.plan, fake.says = [plan] * 5, rating("5")
    session = lake.session()
    assert "W-9" not in ids(found(session))
    assert [one for one, _ in told(session)] == [code]
    fake.plan = []
    assert "W-9" in ids(found(session))  # nothing was kept of the failure
    assert len(told(session)) == 1


@pytest.mark.parametrize("plan", ["hang", "trickle"])
def test_a_judge_that_hangs_does_not_hold_the_search(fake: Fake, tmp_path: Path, plan: str) -> None:
    lake = opened(fake, tmp_path, seconds=0.4)
    fake.plan = [plan]
    session = lake.session()
    started = time.monotonic()
    assert "W-9" not in ids(found(session))
    assert time.monotonic() - started < 1.5
    ((code, message),) = told(session)
    assert (code, "within 0.4 seconds" in str(message) or "not available" in str(message)) in (
        ("TIMEOUT", True), ("BUSY", True),
    )  # fmt: skip
    lake.close()


def test_a_batch_of_questions_waits_once(fake: Fake, tmp_path: Path) -> None:
    lake = opened(fake, tmp_path, seconds=0.4)
    fake.plan = ["hang"] * 50
    session = lake.session()
    session.run("create table asked as select 'forklift driver at night ' || i as q from range(200, 230) as r(i)")
    started = time.monotonic()
    rows = session.run(
        "select count(*) as n, count_if(hit.id = 'W-9')::integer as used "
        "from asked, lateral (select * from hybrid_search(q, k := 4, alpha := 1, playbook := 'classic')) as hit"
    ).rows()
    assert time.monotonic() - started < 5
    assert rows == [{"n": 120, "used": 0}]
    assert len(told(session)) <= 2
    assert len(fake.seen) <= 2
    lake.close()


def test_a_document_moves_up_only_when_it_is_approved(lake: Lake, fake: Fake) -> None:
    session = lake.session()
    off = ids(found(session, "off"))
    raised = off[-1]
    session.run("select * from playbook_record(?, 'workers', ?, 1.0)", [QUESTION, raised])
    fake.says = rating("1")
    rows = found(session, "robust")
    assert ids(rows) == off
    assert {(one["id"], one["approved"]) for one in rows[0]["explain"]["judge"]} == {(raised, False)}
    assert all("playbook" not in row["explain"] for row in rows)
    fake.says = rating("5")
    question = f"{QUESTION} "  # another text: its ratings are not known
    assert ids(found(session, "robust", question)).index(raised) < off.index(raised)


def test_what_goes_down_needs_no_judge(lake: Lake, fake: Fake) -> None:
    session = lake.session()
    first = ids(found(session, "off"))[0]
    session.run("select * from playbook_record(?, 'workers', ?, 0.0)", [QUESTION, first])
    fake.plan = ["500"] * 9
    assert ids(found(session, "robust"))[0] != first
    assert fake.prompts == []


def test_the_ratings_of_a_search_are_bounded(fake: Fake, tmp_path: Path) -> None:
    lake = opened(fake, tmp_path, calls=2)
    fake.says = rating("5")
    session = lake.session()
    off = ids(found(session, "off"))
    for raised in off[3:7]:
        session.run("select * from playbook_record(?, 'workers', ?, 1.0)", [QUESTION, raised])
    (verdicts,) = {json.dumps(row["explain"]["judge"]) for row in found(session, "robust")}
    approved = [one["approved"] for one in json.loads(verdicts)]
    assert (approved, len(fake.prompts)) == ([True, True, False, False], 2)
    lake.close()


def test_a_question_that_is_a_vector_cannot_be_judged(lake: Lake, fake: Fake) -> None:
    session = lake.session()
    rows = session.run(
        "select id, _explain from hybrid_search(embed(?), alpha := 1, playbook := 'classic')", [QUESTION]
    ).rows()
    assert "W-9" not in [row["id"] for row in rows]
    assert json.loads(str(rows[0]["_explain"]))["judge"][0]["why"] == "not asked: the question is a vector"
    assert fake.prompts == []


def test_an_endpoint_that_is_not_allowed_approves_nothing(fake: Fake, tmp_path: Path) -> None:
    lake = opened(fake, tmp_path, model="openai:http://127.0.0.1:1/v1#x")
    session = lake.session()
    assert "W-9" not in ids(found(session))
    assert [code for code, _ in told(session)] == ["FORBIDDEN"]
    reader = session_of(lake, "ray", "reader", ("workers",))
    assert "W-9" not in ids(found(reader))
    assert told(reader) == []  # where the judge stands is not for everyone
    lake.close()


def test_cancelling_does_not_wait_for_the_judge(fake: Fake, tmp_path: Path) -> None:
    lake = opened(fake, tmp_path, seconds=20)
    fake.plan = ["hang"]
    session = lake.session()
    request = Request("hybrid", playbook="classic")
    started = time.monotonic()
    with pytest.raises(TimedOut):
        matrix.search(lake, [QUESTION], request, session.reach, lambda: time.monotonic() > started + 0.2)
    assert time.monotonic() - started < 1.5
    assert told(session) == []
    lake.close()
