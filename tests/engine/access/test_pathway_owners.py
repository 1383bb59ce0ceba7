"""Pathways tell of files and code, so that each profile below admin sees those that it recorded, at every function."""

import json

import pytest

from engine.errors import Conflict, NotFound
from engine.lake import Lake
from engine.session import Session

TASK = {"task_class": "code_review", "file_path": "crates/queryd/src/db.rs", "signal_class": "overflow"}
LOOKUP = "select uid, trace from pathway_lookup('code_review', 'crates/queryd/src/db.rs', 'overflow')"
FLAG = {"flag": "OffByOne", "pattern_key": "OffByOne:range", "example": "the last row is missing", "occurrences": 2}


@pytest.fixture
def profiles(session: Session) -> None:
    for name in ("ana", "ben"):
        session.run(f"select * from create_profile('{name}', 'contributor')").read_all()


def record(session: Session, **more: object) -> str:
    trace = json.dumps({**TASK, **more})
    return str(session.run("select uid from pathway_record($trace)", {"trace": trace}).rows()[0]["uid"])


@pytest.fixture
def uid(profiles: None, lake: Lake) -> str:
    return record(lake.session("ana"), note="ana's secret", bug_fingerprints=[FLAG])


def test_its_recorder_and_an_admin_see_it(uid: str, lake: Lake, session: Session) -> None:
    for reader in (lake.session("ana"), session):
        assert [row["uid"] for row in reader.run(LOOKUP).rows()] == [uid]
        assert reader.run("select uid, recorded_by from lake.pathways").rows() == [{"uid": uid, "recorded_by": "ana"}]
        assert len(reader.run("select * from pathway_history($uid)", {"uid": uid}).rows()) == 1


def test_another_cannot_tell_that_it_is_there(uid: str, lake: Lake) -> None:
    ben = lake.session("ben")
    assert ben.run(LOOKUP).rows() == []
    assert ben.run("from lake.pathways").rows() == []
    bugs = "select * from bug_fingerprints('code_review', 'crates/queryd/src/db.rs', 'overflow')"
    assert ben.run(bugs).rows() == []
    assert lake.session("ana").run(bugs).rows()
    for sql in (
        "select * from pathway_history($uid)",
        "select * from pathway_update($uid, '{}')",
        "select * from pathway_revise($uid, '{}')",
        "select * from pathway_retire($uid, 'a reason')",
        "select * from pathway_replay($uid, true)",
    ):
        with pytest.raises(NotFound) as hidden:
            ben.run(sql, {"uid": uid})
        with pytest.raises(NotFound) as missing:
            ben.run(sql, {"uid": "0" * len(uid)})
        assert str(hidden.value).replace(uid, "0" * len(uid)) == str(missing.value)


def test_the_same_workflow_of_another_is_a_pathway_of_its_own(uid: str, lake: Lake, session: Session) -> None:
    theirs = record(lake.session("ben"), note="ana's secret", bug_fingerprints=[FLAG])
    assert theirs != uid
    assert {row["uid"] for row in session.run(LOOKUP).rows()} == {uid, theirs}
    with pytest.raises(Conflict, match="taken"):
        lake.session("ben").run("select * from pathway_record($trace)", {"trace": json.dumps({**TASK, "uid": uid})})


def test_a_revision_by_an_admin_stays_with_its_recorder(uid: str, lake: Lake, session: Session) -> None:
    session.run(
        "select * from pathway_revise($uid, $trace)", {"uid": uid, "trace": json.dumps({**TASK, "note": "better"})}
    )
    found = lake.session("ana").run(LOOKUP).rows()
    assert [json.loads(str(row["trace"]))["note"] for row in found] == ["better"]
    assert lake.session("ben").run(LOOKUP).rows() == []
