"""The inferred types of parameters: right where the statement tells, text where it does not, and never a failure."""

from collections.abc import Iterator

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine import dml
from engine.lake import Lake
from engine.session import Session
from lakehouse import open_lake

INT, BIG, TEXT, DOUBLE = pa.int32(), pa.int64(), pa.string(), pa.float64()
MONEY, MOMENT, DAY = pa.decimal128(9, 2), pa.timestamp("us"), pa.date32()

CASES: dict[str, list[pa.DataType]] = {
    "select ?": [TEXT],
    "select ? from t": [TEXT],
    "select * from t where a = ?": [INT],
    "select * from t where ? < d and d <= ?": [MONEY, MONEY],
    "select * from t x join t y using (a) where y.ts between ? and ?": [MOMENT, MOMENT],
    "select * from t where a in (?, 1, ?) or b not in (?)": [INT, INT, TEXT],
    "select cast(? as date), ?::decimal(5, 1), try_cast(? as double)": [DAY, pa.decimal128(5, 1), DOUBLE],
    "select a + ?, ? * f, dt + ? from t": [INT, DOUBLE, TEXT],
    "select * from t limit ? offset ?": [BIG, BIG],
    "with q as (select f from t where b = ?) select * from q where f > ?": [TEXT, DOUBLE],
    "select * from (select a as other from t) where other = ?": [INT],
    "select 1 from t where exists (select 1 from t z where z.d > ?)": [MONEY],
    "select a from t group by a having sum(f) > ? and a > ?": [DOUBLE, INT],
    "select coalesce(e, ?), case when o = ? then dt else ? end from t": [BIG, pa.bool_(), DAY],
    "select * from t where a is distinct from ? and bl = ?": [INT, pa.binary()],
    "select a from t union all select ? limit ?": [TEXT, BIG],
    "select * from range(?, ?)": [BIG, BIG],
    "select repeat('x', ?), date_trunc(?, ts) from t": [BIG, TEXT],
    "select * from text_search('c', ?, k := ?)": [TEXT, BIG],
    "select * from t where l = ? and m = ?": [TEXT, TEXT],
    "select * from t where (select max(z.f) from t z where z.a = t.a) > ?": [DOUBLE],
    "insert into t values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)": [
        INT, TEXT, MONEY, MOMENT, BIG, pa.binary(), DAY, TEXT, DOUBLE, pa.bool_(), TEXT,
    ],
    "insert into main.t (d, a) values (?, ?), (1, ?)": [MONEY, INT, INT],
    'insert into "primary".main.t as x ("e", b) select ?, lower(?) from t where a = ?': [BIG, TEXT, INT],
    "insert into t (a) values (?) returning b || ?": [INT, TEXT],
    "insert into t by name select ? as e": [TEXT],
    "insert into t (a) values (? + 1)": [INT],
    "update t set a = ?, b = coalesce(?, b), f = f * ? where dt > ? and e in (?)": [INT, TEXT, DOUBLE, DAY, BIG],
    "update t as x set a = y.e + ? from t as y where y.dt = ? returning x.a": [BIG, DAY],
    "delete from t where dt < ?": [DAY],
    "delete from t using t as y where y.f = ? returning t.a": [DOUBLE],
    "insert into nowhere values (?)": [TEXT],
    "create table fresh as select ? as a": [TEXT],
    "merge into t using (select ? as k) s on t.a = s.k when matched then delete": [TEXT],
    "explain select * from t where a = ?": [TEXT],
}  # fmt: skip


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    lake = open_lake(tmp_path_factory.mktemp("lake") / "home", settings={"models.embedder": "hash:64"})
    session = lake.session()
    session.run(
        "create table t (a integer, b varchar, d decimal(9, 2), ts timestamp, e bigint, bl blob, dt date, l integer[], "
        "f double, o boolean, m json)"
    )
    session.run("create table docs (id varchar, body varchar)")
    session.run("insert into docs values ('1', 'one')")
    session.run("select * from create_corpus('c', source := 'docs', id := 'id', text := 'body')")
    yield session
    lake.close()


def kinds(session: Session, sql: str, transaction: str | None = None) -> dict[str, pa.DataType]:
    return {field.name: field.type for field in session.describe(sql, transaction=transaction).parameters}


@pytest.mark.parametrize(("sql", "expected"), CASES.items())
def test_types(session: Session, sql: str, expected: list[pa.DataType]) -> None:
    assert kinds(session, sql) == {str(at): kind for at, kind in enumerate(expected, 1)}


def test_names_and_numbers(session: Session) -> None:
    assert kinds(session, "select * from t where a = $low and f > $high") == {"low": INT, "high": DOUBLE}
    assert kinds(session, "select * from t where f = $2 and a = $1") == {"1": INT, "2": DOUBLE}
    assert kinds(session, "select $1 from t where $1 is null or a = $1") == {"1": INT}


@pytest.mark.parametrize(
    ("sql", "values", "row"),
    [
        ("select $q as q, $c as c", ["a", "b"], {"q": "a", "c": "b"}),
        ("select $$d$$ as d, $zz as z, $A as a, $zz || $Zz as again", ["1", "2"], {"z": "1", "a": "2"}),
        ("select $2 as b, $1 as a, $10 as j, $3 as c, $4 as d, $5, $6, $7, $8, $9", list("abcdefghij"), {"j": "j"}),
        ('select $"x y" as x, $a as a -- $b', ["1", "2"], {"x": "1", "a": "2"}),
        (
            "with w as (select $low as l) select l, $high as h from w where -1=-$one",
            ["1", "2", 1],
            {"l": "1", "h": "2"},
        ),
    ],
)
def test_a_list_gives_values_in_the_order_of_the_text(
    session: Session, sql: str, values: list[object], row: dict[str, str]
) -> None:
    (found,) = session.run(sql, values).rows()
    assert {name: found[name] for name in row} == row


def test_inference_leaves_a_transaction_as_it_is(session: Session, lake: Lake) -> None:
    transaction = session.begin()
    session.run("create table inside (x hugeint, y date)", transaction=transaction)
    assert kinds(session, "insert into inside (y) values (?)", transaction) == {"1": DAY}
    for failing in (
        "update inside set nope = ?",
        "insert into inside values (?, ?, ?)",
        "delete from t where sum(a) = ?",
    ):
        kinds(session, failing, transaction)
    session.run("insert into inside values (1, date '2020-01-01')", transaction=transaction)
    assert session.run("from inside", transaction=transaction).rows()[0]["x"] == 1
    session.rollback(transaction)


PIECES = [
    "select", "insert into t", "update t", "delete from t", "set", "a", "=", "?", ",", "(", ")", "values", "where",
    "from", "t", "as", "on conflict", "returning", "using", "by name", "limit", "in", "b", "+", "'x'", ";", "with q as",
]  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=25))
def test_any_text_is_read_as_something(pieces: list[str]) -> None:
    dml.read(" ".join(pieces))


def test_a_function_of_many_types_can_be_prepared(session: Session) -> None:
    described = session.describe("select octet_length(?) as n")
    assert (described.schema, described.is_query) == (None, True)
    assert session.run("select octet_length(?) as n", [b"abc"]).rows() == [{"n": 3}]


def test_many_parameters_are_described_in_bounded_time(session: Session) -> None:
    sql = f"select * from t where a in ({', '.join(['?'] * 3000)})"
    found = kinds(session, sql)
    assert found["1"] == INT
    assert len(found) == 3000
