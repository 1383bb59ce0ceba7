"""Recording, repeating, updating, revising, retiring: what the two contracts of the original say."""

import json
import threading
from typing import Any

import pytest

from engine.errors import Invalid, LakehouseError
from engine.lake import Lake
from engine.memory.pathways.operations import Operations
from engine.session import Session

FILE = "crates/queryd/src/db.rs"


def trace(**fields: Any) -> str:
    return json.dumps({"task_class": "code_review", "file_path": FILE, "signal_class": "overflow", **fields})


def attempts(*models: str) -> list[dict[str, Any]]:
    return [{"model": model, "accepted": model == models[-1], "latency": len(model) / 7} for model in models]


def run(session: Session, sql: str, *params: object) -> list[dict[str, Any]]:
    return session.run(sql, list(params)).rows()


def record(session: Session, text: str) -> dict[str, Any]:
    (row,) = run(session, "select * from pathway_record(?)", text)
    return row


def refused(session: Session, sql: str, *params: object) -> str:
    with pytest.raises(LakehouseError) as caught:
        session.run(sql, list(params)).read_all()
    return str(caught.value)


def test_eleven_recorded_pathways_are_replayed_and_eleven_succeed(session: Session) -> None:
    for at in range(11):
        path = f"crates/part{at}/src/lib.rs"
        text = trace(file_path=path, ladder_attempts=attempts("small", f"model-{at}"), final_verdict="accepted")
        uid = record(session, text)["uid"]
        for _ in range(3):
            run(session, "select * from pathway_replay(?, true)", uid)
    replays = []
    for at in range(11):
        asked = ["code_review", f"crates/part{at}/src/lib.rs", "overflow"]
        best = run(session, "select * from pathway_lookup(?, ?, ?)", *asked)[0]
        assert (best["eligible"], best["model"]) == (True, f"model-{at}")
        replays += run(session, "select status, success_rate from pathway_replay(?, true)", best["uid"])
    assert replays == [{"status": "counted", "success_rate": 1.0}] * 11


def test_a_known_uid_counts_a_replay_and_keeps_the_first_content(session: Session) -> None:
    assert record(session, trace(uid="p-1", note="first"))["status"] == "added"
    again = record(session, trace(trace_uid="p-1", note="second"))
    assert (again["uid"], again["status"], again["replay_count"], again["success_rate"]) == ("p-1", "updated", 1, None)
    (kept,) = run(session, "select trace ->> 'note' as note, trace ->> 'uid' as uid, replay_count from lake.pathways")
    assert kept == {"note": "first", "uid": None, "replay_count": 1}


def test_the_same_workflow_is_the_same_pathway_whatever_its_latency(session: Session) -> None:
    first = record(session, trace(ladder_attempts=attempts("a", "b"), final_verdict="ok"))
    slower = [{**one, "latency": 99.0} for one in attempts("a", "b")]
    assert record(session, trace(ladder_attempts=slower, final_verdict="ok"))["uid"] == first["uid"]
    for other in (
        trace(ladder_attempts=attempts("a", "c"), final_verdict="ok"),
        trace(ladder_attempts=attempts("a", "b"), final_verdict="no"),
        trace(ladder_attempts=attempts("a", "b"), final_verdict="ok", signal_class="other"),
        trace(),
        trace(),  # without attempts and verdict there is nothing that could be the same
    ):
        assert record(session, other)["status"] == "added"


def test_a_retired_workflow_does_not_come_back(session: Session) -> None:
    text = trace(ladder_attempts=attempts("a"), final_verdict="ok")
    uid = record(session, text)["uid"]
    run(session, "select * from pathway_retire(?, 'it broke the build')", uid)
    again = record(session, text)
    assert (again["uid"], again["status"], again["reason"]) == (uid, "noop", "it broke the build")
    assert run(session, "from pathway_lookup('code_review', ?, 'overflow')", FILE) == []
    (row,) = run(session, "select uid, status, reason from pathway_history(?)", uid)
    assert row == {"uid": uid, "status": "retired", "reason": "it broke the build"}


def test_three_replays_below_eighty_percent_retire_for_good(session: Session) -> None:
    uid = record(session, trace())["uid"]
    outcomes = [run(session, "from pathway_replay(?, ?)", uid, good)[0] for good in (True, True, False, True)]
    assert [one["status"] for one in outcomes] == ["counted", "counted", "retired", "ignored"]
    assert outcomes[2]["reason"] == "2 of 3 replays succeeded, less than 80%"
    assert outcomes[3]["replay_count"] == 3


def test_a_list_of_outcomes_is_counted_in_its_order(session: Session) -> None:
    told = "('a', true, 1), ('a', true, 2), ('b', true, 1), ('b', false, 2), ('b', true, 3), ('b', true, 4)"
    session.run(f"create table told as from (values {told}) as t(uid, ok, ts)")
    for uid in ("a", "b"):
        record(session, trace(uid=uid))
    lists = "(select uid, list(ok order by ts) as oks from told group by uid)"
    wanted = "r.uid, status, replay_count, replays_succeeded"
    counted = run(session, f"select {wanted} from {lists}, pathway_replay(uid, oks) as r order by 1")
    assert [tuple(row.values()) for row in counted] == [("a", "counted", 2, 2), ("b", "retired", 3, 2)]
    steps = run(session, "select body ->> 'succeeded' as ok from lake.journal where body ->> 'action' = 'replayed'")
    assert len(steps) == 5, "what comes after a retirement is ignored"
    assert run(session, "select status from pathway_replay('b', [true, true])") == [{"status": "ignored"}]
    (row,) = run(session, "select status, replay_count from pathway_replay('a', ?)", [True, True])
    assert row == {"status": "counted", "replay_count": 4}


def test_an_outright_rejection_retires_at_once(session: Session) -> None:
    uid = record(session, trace())["uid"]
    sql = "select status from pathway_replay(?, false, verdict := ?, confidence := ?)"
    assert run(session, sql, uid, "cycle", 1.0) == [{"status": "counted"}]
    assert run(session, sql, uid, "reject", 0.7) == [{"status": "retired"}]


def test_a_revision_stands_in_the_place_of_its_parent(session: Session) -> None:
    root = record(session, trace(n=1))["uid"]
    second = run(session, "from pathway_revise(?, ?)", root, trace(n=2))[0]
    third = run(session, "from pathway_revise(?, ?)", second["uid"], trace(n=3, uid="third"))[0]
    assert (second["version"], third["version"], third["uid"], third["replay_count"]) == (2, 3, "third", 0)
    for asked in (root, second["uid"], "third"):
        chain = run(session, "select position, uid, status, trace ->> 'n' as n from pathway_history(?)", asked)
        assert [(row["position"], row["uid"]) for row in chain] == [(1, root), (2, second["uid"]), (3, "third")]
        assert [row["status"] for row in chain] == ["superseded", "superseded", "live"]
        assert [row["n"] for row in chain] == ["1", "2", "3"]
    assert [row["uid"] for row in run(session, "from pathway_lookup('code_review', ?, 'overflow')", FILE)] == ["third"]


def test_only_the_live_tip_can_be_revised_or_updated(session: Session) -> None:
    old = record(session, trace(uid="old"))["uid"]
    run(session, "from pathway_revise('old', ?)", trace(uid="tip"))
    for act in ("revise", "update"):
        assert refused(session, f"from pathway_{act}(?, ?)", old, trace()).startswith(
            "[CONFLICT] the pathway 'old' is su"
        )
        assert refused(session, f"from pathway_{act}('none', ?)", trace()).startswith("[NOT_FOUND] there is no pathway")
    assert "cannot follow itself" in refused(session, "from pathway_revise('tip', ?)", trace(uid="tip"))
    assert "'old' exists already" in refused(session, "from pathway_revise('tip', ?)", trace(uid="old"))
    run(session, "from pathway_retire('tip', 'wrong')")
    for act in ("revise", "update"):
        assert refused(session, f"from pathway_{act}('tip', ?)", trace()).startswith(
            "[CONFLICT] the pathway 'tip' is ret"
        )
    assert len(run(session, "from lake.pathways")) == 2


def test_an_update_replaces_the_content_and_the_journal_keeps_the_former_one(session: Session) -> None:
    record(session, trace(uid="u", note="before", tags=["x"]))
    run(session, "from pathway_replay('u', true)")
    assert run(
        session, "select status, replay_count from pathway_update('u', ?)", trace(note="after", task_class="other")
    )
    (row,) = run(session, "select trace ->> 'note' as note, task_class, tags, replay_count from lake.pathways")
    assert row == {"note": "after", "task_class": "other", "tags": ["x"], "replay_count": 1}
    same = trace(note="after", task_class="other")
    assert run(session, "select status from pathway_update('u', ?)", same) == [{"status": "unchanged"}]
    sql = "select (body ->> 'before')::json ->> 'note' as note from lake.journal where kind = 'pathway' order by entry"
    assert [row["note"] for row in run(session, sql)] == [None, None, "before"]
    assert "another uid" in refused(session, "from pathway_update('u', ?)", trace(uid="v"))


def test_retiring_twice_keeps_the_first_reason(session: Session) -> None:
    record(session, trace(uid="u"))
    first, second = (run(session, "from pathway_retire('u', ?)", reason)[0] for reason in ("one", "two"))
    assert (first["status"], second["status"], second["reason"]) == ("retired", "unchanged", "one")


def test_bugs_are_counted_over_the_live_pathways_of_an_area(session: Session) -> None:
    def bug(flag: str, name: str, times: int = 1) -> dict[str, Any]:
        return {
            "flag": {"kind": flag},
            "pattern_key": f"{flag}:{name}",
            "example": f"line {times}",
            "occurrences": times,
        }

    record(session, trace(uid="a", bug_fingerprints=[bug("OffByOne", "rows", 2), bug("DeadCode", "old")]))
    other_file = "crates/queryd/src/other.rs"
    record(session, trace(uid="b", file_path=other_file, bug_fingerprints=[bug("OffByOne", "rows", 3)]))
    record(session, trace(uid="c", file_path="crates/else/x.rs", bug_fingerprints=[bug("OffByOne", "rows", 50)]))
    record(session, trace(uid="d", bug_fingerprints=[bug("DeadCode", "old", 90)]))
    run(session, "from pathway_retire('d', 'gone')")
    found = run(session, "from bug_fingerprints('code_review', ?, 'overflow')", FILE)
    assert [(row["pattern_key"], row["occurrences"], row["pathways"], row["example"]) for row in found] == [
        ("OffByOne:rows", 5, 2, "line 2"),
        ("DeadCode:old", 1, 1, "line 1"),
    ]
    assert len(run(session, "from bug_fingerprints('code_review', ?, 'overflow', k := 1)", FILE)) == 1


def test_likeness_is_of_the_place_alone_unless_tokens_are_given(session: Session) -> None:
    flags = {"semantic_flags": ["OffByOne", "DeadCode"], "bug_fingerprints": []}
    record(session, trace(**flags))
    sql = "select similarity from pathway_lookup('code_review', ?, 'overflow', tokens := ?)"
    assert run(session, sql, FILE, None) == [{"similarity": 1.0}]
    assert run(session, sql, "crates/queryd/src/other.rs", None)[0]["similarity"] == 0.75
    assert run(session, sql, FILE, ["flag:OffByOne", "flag:DeadCode"]) == [{"similarity": 1.0}]
    assert run(session, sql, FILE, [])[0]["similarity"] == pytest.approx((4 / 6) ** 0.5, abs=1e-6)


def test_an_opaque_content_is_kept_and_never_looked_up(session: Session) -> None:
    row = record(session, '{"anything": [1, 2.50, null], "größe": "🚚"}')
    assert (row["status"], row["pathway_id"]) == ("added", None)
    (kept,) = run(session, "select trace::varchar as trace from lake.pathways")
    assert json.loads(str(kept["trace"])) == {"anything": [1, 2.5, None], "größe": "🚚"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "[INVALID] the trace is not JSON"),
        ('{"a": ', "[INVALID] the trace is not JSON: Expecting value (line 1, column 7)"),
        ('{"a": NaN}', "[INVALID] the trace is not JSON: NaN is no number of JSON"),
        ('{"a": 1e999}', "[INVALID] the trace is not JSON"),
        (
            '{"a": 1' + "0" * 5000 + "}",
            "[INVALID] the trace is not JSON: a number has more than 4300 digits; correct it",
        ),
        (
            '{"pathway_vec": [1' + "0" * 400 + ", 0" * 31 + "]}",
            "[INVALID] the trace is wrong: pathway_vec: is not that",
        ),
        ('{"a": "\\ud800"}', "[INVALID] the trace holds half of a surrogate pair"),
        ('{"a": ' * 300 + "1" + "}" * 300, "[INVALID] the trace is not JSON: it nests more than 200 deep"),
        ("[" * 100_000 + "]" * 100_000, "[INVALID] the trace is not JSON: it nests more than 200 deep"),
        ("[[]]", "[INVALID] the trace is not a JSON object"),
        ('"text"', "[INVALID] the trace is not JSON"),
        ('[{"task_class": "a"}, {"task_class": 5}]', "[INVALID] the trace is wrong: task_class: "),
        ("7", "[INVALID] the trace is not a JSON object"),
        ('{"task_class": 5}', "[INVALID] the trace is wrong: task_class: "),
        ('{"task_class": "a\\u0000b"}', "[INVALID] the trace is wrong: task_class: holds a NUL"),
        ('{"ladder_attempts": [{"model": "a"}, {}]}', "[INVALID] the trace is wrong: ladder_attempts.1.model: "),
        ('{"semantic_flags": [{"kind": "OffByTwo"}]}', "[INVALID] the trace is wrong: semantic_flags.0.kind: "),
        ('{"type_hints_used": [{"source": "a"}]}', "[INVALID] the trace is wrong: type_hints_used.0.symbol: "),
        (
            '{"bug_fingerprints": [{"flag": "OffByOne", "pattern_key": "k", "occurrences": 0}]}',
            "[INVALID] the trace is wrong: bug_fingerprints.0.occurrences: ",
        ),
        ('{"kb_chunks": [{"cosine": "near"}]}', "[INVALID] the trace is wrong: kb_chunks.0.cosine: "),
        ('{"uid": 5}', "[INVALID] the trace is wrong: uid: "),
        ('{"uid": "a", "trace_uid": "b"}', "[INVALID] the trace is wrong: trace_uid: differs"),
        ('{"tags": "x"}', "[INVALID] the trace is wrong: tags: "),
        ('{"replay_count": 3}', "[INVALID] the trace is wrong: replay_count: is counted by the lake"),
        ('{"retired": true}', "[INVALID] the trace is wrong: retired: is counted by the lake"),
        ('{"parent_trace_uid": "p"}', "[INVALID] the trace is wrong: parent_trace_uid: "),
        ('{"task_class": "a", "pathway_id": "b"}', "[INVALID] the trace is wrong: pathway_id: "),
        ('{"task_class": "a", "pathway_vec": [1, 2]}', "[INVALID] the trace is wrong: pathway_vec: "),
    ],
)
def test_a_wrong_trace_is_refused_by_its_field(lake: Lake, text: str, message: str) -> None:
    session = lake.session()
    assert refused(session, "from pathway_record(?)", text).startswith(message)
    assert run(session, "from lake.pathways") == []


def test_a_trace_may_bring_what_is_computed_if_it_agrees(session: Session) -> None:
    plain = json.loads(trace(semantic_flags=["OffByOne"]))
    run(session, "from pathway_record(?)", json.dumps(plain))
    tokens = ["task:code_review", "prefix:crates/queryd", f"file:{FILE}", "signal:overflow", "flag:OffByOne"]
    computed = "select pathway_id(?, ?, ?) as id, pathway_vector(?) as vec"
    (row,) = run(session, computed, "code_review", FILE, "overflow", tokens)
    full = {**plain, "pathway_id": row["id"], "pathway_vec": row["vec"], "version": 1, "retired": False}
    assert record(session, json.dumps({**full, "replay_count": 0, "superseded_at": None}))["status"] == "added"


def test_a_long_trace_is_kept_and_a_longer_one_refused(session: Session) -> None:
    assert record(session, trace(blob="y" * 1_000_000))["status"] == "added"
    message = refused(session, "from pathway_record(?)", trace(blob="y" * 4_200_000))
    assert message.startswith("[INVALID] the trace is longer than 4194304 bytes")


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("from pathway_record(null)", "the trace is not a JSON object"),
        ("from pathway_replay(null, true)", "the uid is empty"),
        ("from pathway_replay('none', true)", "there is no pathway 'none'"),
        ("from pathway_replay('none', null)", "succeeded is missing"),
        ("from pathway_replay('none', true, verdict := 'rejct')", "did you mean 'reject'"),
        ("from pathway_replay('none', true, confidence := 1.5)", "not within 0 and 1"),
        ("from pathway_replay('none', true, confidence := 'nan'::double)", "not within 0 and 1"),
        ("from pathway_replay('none', [])", "succeeded is missing"),
        ("from pathway_replay('none', [true, null])", "succeeded is missing"),
        ("from pathway_replay('none', [true, false], verdict := 'reject')", "a verdict is of one replay"),
        ("from pathway_retire('none', '')", "retiring needs a reason"),
        ("from pathway_retire('none', repeat('x', 10001))", "the reason is longer than 10000 characters; shorten it"),
        ("from pathway_retire('none', 'why')", "there is no pathway 'none'"),
        ("from pathway_history('none')", "there is no pathway 'none'"),
        ("from pathway_history(null)", "there is no pathway ''"),
        ("from pathway_lookup(null, 'x', 'y')", "the question needs a task class; such as 'code_review'"),
        ("from pathway_lookup('x', 'a/b', 'y', k := 0)", "k is 0"),
        ("from bug_fingerprints('', 'x', 'y')", "the question needs a task class; such as 'code_review'"),
    ],
)
def test_what_is_wrong_is_said(session: Session, sql: str, message: str) -> None:
    assert message in refused(session, sql)


def test_a_list_of_traces_is_one_transaction(session: Session) -> None:
    session.run("create table traces as select '{\"n\": ' || i || '}' as trace from range(100) as r(i)")
    session.run("insert into traces values ('{\"task_class\": 5}')")
    sql = "select status, count(*) as n from pathway_record((select list(trace) from traces)) group by all"
    assert "task_class" in refused(session, sql)
    assert run(session, "from lake.pathways") == []
    assert run(session, "from lake.journal where kind = 'pathway'") == []
    session.run("delete from traces where trace like '%task%'")
    session.run("insert into traces select * from traces")
    assert run(session, sql) == [{"status": "added", "n": 200}]
    assert run(session, "from pathway_record('[]')") == []
    structs = "from pathway_record([{'uid': 'a', 'tags': ['x']}, {'uid': 'b', 'tags': null}])"
    assert [row["uid"] for row in run(session, structs)] == ["a", "b"]


def test_thousands_in_one_statement(session: Session) -> None:
    session.run(
        "create table traces as select to_json({'task_class': 't', 'file_path': 'a/b' || i % 9 || '/c', "
        "'final_verdict': i})::varchar as trace from range(3000) as r(i)"
    )
    sql = "select r.status, count(*) as n from traces, pathway_record(traces.trace) as r group by all"
    assert run(session, sql) == [{"status": "added", "n": 3000}]
    at_once = "select status, count(*) as n from pathway_record((select list(trace) from traces)) group by all"
    assert run(session, at_once) == [{"status": "updated", "n": 3000}]
    assert run(session, "select count(*) as n, sum(replay_count)::bigint as total from lake.pathways") == [
        {"n": 3000, "total": 3000}
    ]


def test_two_writers_on_one_pathway_lose_nothing(lake: Lake) -> None:
    record(lake.session(), trace(uid="u"))
    failures: list[BaseException] = []

    def replay() -> None:
        try:
            for _ in range(25):
                run(lake.session(), "from pathway_replay('u', true)")
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=replay) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    (row,) = run(lake.session(), "select replay_count, replays_succeeded from lake.pathways")
    assert row == {"replay_count": 100, "replays_succeeded": 100}


def test_two_revisions_of_one_pathway_at_once(lake: Lake) -> None:
    record(lake.session(), trace(uid="u"))
    outcomes: list[str] = []

    def revise() -> None:
        try:
            outcomes.append(str(run(lake.session(), "from pathway_revise('u', ?)", trace())[0]["status"]))
        except LakehouseError as error:
            outcomes.append(error.code)

    threads = [threading.Thread(target=revise) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["CONFLICT", "CONFLICT", "CONFLICT", "revised"]


def test_a_reader_may_look_and_not_record(lake: Lake) -> None:
    for role in ("reader", "contributor"):
        run(lake.session(), "from create_profile(?, role := ?)", role, role)
    reader = lake.session("reader")
    assert run(reader, "from pathway_lookup('code_review', ?, 'overflow')", FILE) == []
    assert refused(reader, "from pathway_record('{}')").startswith("[FORBIDDEN]")
    contributor = lake.session("contributor")
    assert record(contributor, trace(uid="v"))["status"] == "added"
    assert len(run(contributor, "from pathway_lookup('code_review', ?, 'overflow')", FILE)) == 1
    assert refused(contributor, "from import_pathways('x.json')").startswith("[FORBIDDEN]")


def test_uids_are_given_by_whoever_makes_them(lake: Lake) -> None:
    names = iter(["one", "two"])
    operations = Operations(lake, "tester", new_uid=lambda: next(names))
    assert [done.entry.uid for (done,) in operations.record(["{}", "{}"])] == ["one", "two"]
    assert [row["actor"] for row in run(lake.session(), "from lake.journal where kind = 'pathway'")] == ["tester"] * 2


def test_stopping_between_steps_keeps_nothing(lake: Lake) -> None:
    steps = iter(range(3))

    def check() -> None:
        if next(steps) == 2:
            raise Invalid("stopped")

    with pytest.raises(Invalid, match="stopped"):
        Operations(lake, "tester", check=check).record(["{}", "{}", "{}"])
    assert run(lake.session(), "from lake.pathways") == []
