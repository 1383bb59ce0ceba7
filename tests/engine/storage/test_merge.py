"""Merge by key, and what drifts."""

import hashlib
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.engine.storage.desk import Desk


def test_counts_are_of_real_changes(desk: Desk) -> None:
    dataset = desk.taken("id,v,w\n1,x,\n2,y,1.5\n3,,\n", key="id")
    desk.write("next.csv", "w,id,v\n,1,x\n1.5,2,Y\n,3,\n7,4,new\n")
    merged = desk.ingest("next.csv", dataset)
    assert [merged[name] for name in ("status", "rows_read", "rows_added", "rows_updated")] == ["merged", 4, 1, 1]
    assert desk.rows(f"from {dataset} order by id") == [(1, "x", None), (2, "Y", 1.5), (3, None, None), (4, "new", 7.0)]
    assert desk.rows("select key from lake.datasets where dataset = ?", dataset) == [(["id"],)]


def test_the_last_of_equal_keys_wins(desk: Desk) -> None:
    dataset = desk.taken("id,v\n1,a\n2,b\n1,c\n", key="id")
    assert desk.rows(f"from {dataset} order by id") == [(1, "c"), (2, "b")]
    desk.write("last/1.csv", "id,v\n1,d\n3,e\n3,f\n")
    desk.write("last/2.csv", "id,v\n1,g\n")
    merged = desk.ingest("last", dataset)
    assert (merged["rows_read"], merged["rows_added"], merged["rows_updated"]) == (4, 1, 1)
    assert desk.rows(f"from {dataset} order by id") == [(1, "g"), (2, "b"), (3, "f")]


def test_keys_of_several_columns(desk: Desk) -> None:
    dataset = desk.taken("country,id,v\nUS,1,a\nDE,1,b\n", key="country, ID")
    desk.write("several.csv", "country,id,v\nUS,1,c\nFR,1,d\n")
    assert desk.ingest("several.csv", dataset, key=["country", "id"])["rows_added"] == 1
    assert desk.rows(f"from {dataset} order by country") == [("DE", 1, "b"), ("FR", 1, "d"), ("US", 1, "c")]
    with_comma = desk.taken('"a,b",v\n1,x\n', key="a,b")
    assert desk.rows("select key from lake.datasets where dataset = ?", with_comma) == [(["a,b"],)]


def test_all_columns_may_be_the_key(desk: Desk) -> None:
    dataset = desk.taken("a,b\n1,2\n", key="a,b")
    desk.write("all.csv", "a,b\n1,2\n3,4\n")
    assert desk.ingest("all.csv", dataset)["rows_added"] == 1


def test_wrong_keys(desk: Desk) -> None:
    desk.write("keys.csv", "id,v\n1,a\n,b\n")
    desk.fails("[INVALID] key: there is no column 'idd'; did you mean 'id'", "keys.csv", key="idd")
    desk.fails("[INVALID] the key id is NULL in 1 rows", "keys.csv", key="id")
    desk.fails("[INVALID] the key names a column twice", "keys.csv", key="id,ID")
    for wrong in ([], [""], [1], {"id": 1}, 5):
        desk.fails("[INVALID] key must be a column or a list of columns", "keys.csv", key=wrong)


def test_a_key_is_not_changed_in_passing(desk: Desk) -> None:
    dataset = desk.taken("id,v\n1,a\n1,b\n")
    desk.write("keyed.csv", "id,v\n2,c\n")
    desk.fails("[CONFLICT] id is not unique in the dataset", "keyed.csv", dataset, key="id")
    desk.fails("[CONFLICT] these files are in", f"{dataset}.csv", dataset, key="id")
    assert desk.ingest("keyed.csv", dataset, key="v")["status"] == "merged"
    desk.write("more.csv", "id,v\n3,d\n")
    desk.fails("[CONFLICT] the key of", "more.csv", dataset, key="id")
    assert desk.ingest("more.csv", dataset)["status"] == "merged"
    assert desk.ingest("more.csv", dataset, key="id", mode="replace")["status"] == "replaced"


ROWS = st.lists(st.tuples(st.integers(0, 8), st.sampled_from(["", "x", "y", "z"])), max_size=12)


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batches=st.lists(ROWS, min_size=1, max_size=3))
def test_merging_is_a_dictionary(desk: Desk, batches: list[list[tuple[int, str]]]) -> None:
    dataset, model = desk.new(), dict[int, str | None]()
    for at, rows in enumerate(batches):
        name = f"{dataset}_{at}.csv"
        desk.write(name, f"id,v,batch{dataset}\n" + "".join(f"{id},{v},t\n" for id, v in rows))
        before = dict(model)
        model.update({id: v or None for id, v in rows})
        found = desk.ingest(name, dataset, key="id", options={"types": {"id": "BIGINT"}})
        if found["status"] != "unchanged":
            changed = [id for id in before if before[id] != model[id]]
            assert (found["rows_added"], found["rows_updated"]) == (len(model) - len(before), len(changed))
    assert dict(desk.rows(f"select id, v from {dataset}")) == model


DRIFT: list[tuple[str, str, str]] = [
    ("missing", "id,name\n2,x\n", "column 'rate' is missing"),
    ("new", "id,name,rate,more\n2,x,1,1\n", "column 'more' is new"),
    (
        "retyped",
        "id,name,rate\n2,x,N/A\n",
        "column 'rate' is float64 in the dataset and string in the file, for example 'N/A'",
    ),
    (
        "code",
        "id,name,rate\n007,x,1\n",
        "column 'id' is int64 in the dataset and string in the file, for example '007'",
    ),
    ("all", "nr,name\n1,x\n", "column 'id' is missing, column 'rate' is missing, column 'nr' is new"),
]


@pytest.fixture(scope="module")
def staff(desk: Desk) -> str:
    """A dataset that files drift from."""
    return desk.taken("id,name,rate\n1,7,1.5\n2,Bob,\n")


@pytest.mark.parametrize(("name", "text", "fault"), DRIFT, ids=[one[0] for one in DRIFT])
def test_drift_is_refused_before_data_moves(desk: Desk, staff: str, name: str, text: str, fault: str) -> None:
    desk.write(f"{name}.csv", text)
    version = desk.rows("select version from lake.buckets")
    caught = desk.fails(f"[CONFLICT] the file does not fit the dataset '{staff}': {fault}", f"{name}.csv", staff)
    assert "mode := 'replace'" in str(caught.hint)
    assert desk.rows("select version from lake.buckets") == version


def test_what_is_no_drift(desk: Desk, staff: str) -> None:
    before = desk.rows(f"select count(*) from {staff}")[0][0]
    desk.write("order.csv", "RATE,name,id\n2,123,9\n")  # another order, another case, whole numbers, digits in a text
    found = desk.ingest("order.csv", staff)
    assert (found["status"], found["rows_added"]) == ("appended", 1)
    assert desk.rows(f"select id, name, rate from {staff} where id = 9") == [(9, "123", 2.0)]
    desk.write("nothing.csv", "id,name,rate\n")
    assert desk.ingest("nothing.csv", staff)["rows_added"] == 0
    assert desk.rows(f"select count(*) from {staff}") == [(before + 1,)]


def test_text_is_read_as_the_types_of_a_table_made_by_sql(desk: Desk) -> None:
    dataset = desk.new()
    columns: dict[str, Any] = {"i": "integer", "d": "decimal(5,2)", "f": "float", "t": "time", "u": "uuid"}
    desk.session.run(f"create table {dataset} ({', '.join(f'{name} {type}' for name, type in columns.items())})")
    desk.write("sql.csv", "i,d,f,t,u\n7,1.5,0.25,10:00:00,01a20fa1-83b4-7943-99bd-7ea99a90fc66\n,,,,\n")
    assert desk.ingest("sql.csv", dataset)["rows_added"] == 2
    assert desk.rows(f"select i, d::varchar, f, t::varchar from {dataset} where i = 7") == [
        (7, "1.50", 0.25, "10:00:00")
    ]
    for cell, column in (("9999999999", "i"), ("1.555", "d")):
        row = [cell if name == column else "" for name in columns]
        desk.write("sql_bad.csv", ",".join(columns) + "\n" + ",".join(row) + "\n")
        desk.fails("[CONFLICT] the file does not fit", "sql_bad.csv", dataset)


def test_the_fingerprint(desk: Desk) -> None:
    dataset = desk.taken("id,rate,name,ok,day,seen\n1,1.5,x,true,2024-01-05,2024-01-05 10:00:00\n")
    pairs = [
        ("id", "int64"),
        ("rate", "float64"),
        ("name", "string"),
        ("ok", "bool"),
        ("day", "date"),
        ("seen", "timestamp"),
    ]
    expected = hashlib.sha256("\x1e".join(f"{name}\x1f{type}" for name, type in pairs).encode()).hexdigest()
    assert desk.rows("select fingerprint from lake.ingests where dataset = ?", dataset) == [(expected,)]
