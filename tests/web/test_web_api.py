"""The JSON API over a real lake and a real socket."""

import json
import threading
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from engine.lake import Lake
from web.serve import Console

LONG = "select count(*) from range(1000000000) as a, range(1000000) as b where a.range + b.range = -1"


def sql(client: httpx.Client, text: str, **more: object) -> httpx.Response:
    return client.post("/v1/sql", json={"sql": text, **more})


def answer(client: httpx.Client, text: str, **more: object) -> dict[str, Any]:
    response = sql(client, text, **more)
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    return found


def problem(response: httpx.Response) -> dict[str, Any]:
    assert response.headers["content-type"] == "application/json"
    found: dict[str, Any] = response.json()
    assert set(found) == {"error"}
    assert set(found["error"]) == {"code", "message", "hint"}
    error: dict[str, Any] = found["error"]
    return error


def test_answers_columns_and_rows(client: httpx.Client) -> None:
    found = answer(client, "select 1 as a, 'x' as b union all select 2, null order by a")
    assert found["columns"] == [{"name": "a", "type": "INTEGER"}, {"name": "b", "type": "VARCHAR"}]
    assert found["rows"] == [[1, "x"], [2, None]]
    assert (found["rows_affected"], found["truncated"]) == (None, False)
    assert found["seconds"] >= 0
    assert found["statement_id"]


def test_two_columns_of_one_name_stay_two(client: httpx.Client) -> None:
    assert answer(client, "select 1 as a, 2 as a")["rows"] == [[1, 2]]


@pytest.mark.parametrize(
    ("expression", "type_name", "value"),
    [
        ("9007199254740993", "BIGINT", 9007199254740993),
        ("170141183460469231731687303715884105::hugeint", "DECIMAL(38,0)", 170141183460469231731687303715884105),
        ("1.50::decimal(9, 2)", "DECIMAL(9,2)", "1.50"),
        ("0.1::float", "FLOAT", 0.1),
        ("'nan'::double", "DOUBLE", "NaN"),
        ("'-inf'::double", "DOUBLE", "-Infinity"),
        ("timestamp '2026-01-02 03:04:05.060'", "TIMESTAMP", "2026-01-02T03:04:05.06"),
        ("timestamptz '2026-01-02 03:04:05+02'", "TIMESTAMP WITH TIME ZONE", "2026-01-02T01:04:05Z"),
        ("date 'infinity'", "DATE", "infinity"),
        ("date '0044-03-15 (BC)'", "DATE", "-0043-03-15"),
        ("interval '1 month 2 days 3.5 seconds'", "INTERVAL", "P1M2DT3.5S"),
        ("'\\xAB'::blob", "BLOB", "\\xab"),
        ("[1, null]", "INTEGER[]", [1, None]),
        ("[date '2026-01-02', null]", "DATE[]", ["2026-01-02", None]),
        ("[1, 2]::int[2]", "INTEGER[2]", [1, 2]),
        (
            "{'a': [{'b': 1.5::decimal(2, 1)}], 'c': null}",
            "STRUCT(a STRUCT(b DECIMAL(2,1))[], c INTEGER)",
            {"a": [{"b": "1.5"}], "c": None},
        ),
        ("map {'k': date '2026-01-02'}", "MAP(VARCHAR, DATE)", {"k": "2026-01-02"}),
        ("map {1: 'x'}", "MAP(INTEGER, VARCHAR)", {"1": "x"}),
        ("union_value(k := 1)", "UNION(k INTEGER)", 1),
        ("'a'::enum ('a', 'b')", "ENUM", "a"),
        ("null::integer[]", "INTEGER[]", None),
        ("true", "BOOLEAN", True),
        ("$$ünï 🚢$$", "VARCHAR", "ünï 🚢"),
    ],
)
def test_every_type_arrives(client: httpx.Client, expression: str, type_name: str, value: object) -> None:
    found = answer(client, f"select {expression} as v")
    assert found["columns"][0]["type"] == type_name
    assert found["rows"] == [[value]]


def test_parameters(client: httpx.Client) -> None:
    params = [1, "it's", None, [1, 2], 1.5, True]
    found = answer(client, "select ?::int, ?, ?, ?::int[], ?::double, ?::boolean", params=params)
    assert found["rows"] == [params]


def test_limit_truncates(client: httpx.Client) -> None:
    found = answer(client, "select * from range(50000)", limit=3)
    assert (found["rows"], found["truncated"]) == ([[0], [1], [2]], True)
    assert answer(client, "select * from range(3)", limit=3)["truncated"] is False
    assert answer(client, "select 1", limit=0)["rows"] == []


def test_bounds_hold_without_a_limit(client: httpx.Client) -> None:
    rows = answer(client, "select * from range(20000)")
    assert (len(rows["rows"]), rows["truncated"]) == (10_000, True)
    wide = sql(client, "select repeat('x', 1000000) from range(30)")
    assert len(wide.content) < 17_000_000
    assert wide.json()["truncated"] is True
    assert len(wide.json()["rows"]) == 15


def test_effects_are_counted(client: httpx.Client, lake: Lake) -> None:
    assert answer(client, "create table counted (n integer)")["rows_affected"] == 0
    inserted = answer(client, "insert into counted select * from range(7)")
    assert (inserted["rows_affected"], inserted["rows"], inserted["columns"]) == (7, [], [])
    assert answer(client, "drop table counted")["rows_affected"] == 0


@pytest.mark.parametrize(
    ("statement", "status", "code"),
    [
        ("selekt 1", 400, "INVALID"),
        ("", 400, "INVALID"),
        ("select 1; select 2", 400, "INVALID"),
        ("select * from nowhere", 404, "NOT_FOUND"),
        ("select getenv('HOME')", 403, "FORBIDDEN"),
        ("select * from matrix_search('x', corpora := ['resume'])", 404, "NOT_FOUND"),
    ],
)
def test_errors_have_code_and_status(client: httpx.Client, statement: str, status: int, code: str) -> None:
    response = sql(client, statement)
    assert (response.status_code, problem(response)["code"]) == (status, code)


def test_the_hint_names_the_nearest(client: httpx.Client) -> None:
    assert "resumes" in problem(sql(client, "select * from matrix_search('x', corpora := ['resume'])"))["hint"]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"\xff", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b'{"sql": "select 1", "limit": NaN}', "not JSON"),
        (b"[]", "must be a JSON object"),
        (b'{"sq": "select 1"}', "'sq'"),
        (b"{}", "'sql' must be a text"),
        (b'{"sql": 1}', "'sql' must be a text"),
        (b'{"sql": "select 1", "params": {}}', "'params' must be a list"),
        (b'{"sql": "select 1", "limit": -1}', "'limit' must be a number"),
        (b'{"sql": "select 1", "limit": true}', "'limit' must be a number"),
        (b'{"sql": "select 1", "limit": 10001}', "'limit' must be a number"),
        (b'{"sql": "select \'\\ud800\'"}', "surrogate"),
        (b'{"sql": "select ?", "params": ["\\udfff"]}', "surrogate"),
    ],
)
def test_wrong_bodies_are_named(client: httpx.Client, body: bytes, said: str) -> None:
    response = client.post("/v1/sql", content=body, headers={"content-type": "application/json"})
    assert response.status_code == 400
    assert said in problem(response)["message"]


def test_only_json_is_taken(client: httpx.Client) -> None:
    for kind in ("text/plain", "application/x-www-form-urlencoded", "application/jsonp"):
        response = client.post("/v1/sql", content=b'{"sql": "select 1"}', headers={"content-type": kind})
        assert response.status_code == 415
        assert "application/json" in problem(response)["message"]
    ok = client.post(
        "/v1/sql", content=b'{"sql": "select 1"}', headers={"content-type": "Application/JSON; charset=utf-8"}
    )
    assert ok.status_code == 200


def test_get_runs_nothing(client: httpx.Client) -> None:
    response = client.get("/v1/sql", params={"sql": "select 1"})
    assert (response.status_code, response.headers["allow"]) == (405, "POST")
    assert problem(response)["code"] == "INVALID"


def test_long_bodies_are_refused(client: httpx.Client) -> None:
    response = client.post("/v1/sql", content=b" " * 4_000_001, headers={"content-type": "application/json"})
    assert response.status_code == 413
    assert problem(response)["code"] == "INVALID"


def test_health(client: httpx.Client) -> None:
    response = client.get("/health")
    assert (response.status_code, response.json()["status"]) == (200, "ok")


def test_requests_share_no_session(client: httpx.Client) -> None:
    assert answer(client, "use lake")["rows_affected"] == 0
    assert answer(client, "select current_catalog()")["rows"] == [["primary"]]


def test_unicode_is_sent_as_itself(client: httpx.Client) -> None:
    assert "🚢" in sql(client, "select '🚢'").text


def test_a_statement_ends_when_nobody_waits(client: httpx.Client, lake: Lake) -> None:
    with pytest.raises(httpx.ReadTimeout):
        client.post("/v1/sql", json={"sql": LONG}, timeout=1)
    until(lambda: not lake.running)


def test_a_stopping_console_cancels_what_runs(lake: Lake) -> None:
    console = Console(lake, port=0)
    ended: list[object] = []

    def wait_for_answer() -> None:
        try:
            ended.append(httpx.post(f"{console.url}/v1/sql", json={"sql": LONG}, timeout=60).status_code)
        except httpx.HTTPError as error:
            ended.append(error)

    waiting = threading.Thread(target=wait_for_answer)
    waiting.start()
    until(lambda: bool(lake.running))
    console.shutdown()
    waiting.join(20)
    assert ended
    assert not lake.running


def until(condition: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.01)


def test_answers_are_strict_json(client: httpx.Client) -> None:
    def no_constant(name: str) -> float:
        raise AssertionError(name)

    json.loads(sql(client, "select 'nan'::double, ['inf'::float]").text, parse_constant=no_constant)
