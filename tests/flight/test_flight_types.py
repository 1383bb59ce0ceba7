"""Every kind of value and of statement over the wire, through a stock ADBC client: right, or refused with its code."""

import datetime
import decimal
import uuid
from typing import Any

import adbc_driver_flightsql.dbapi as adbc
import adbc_driver_manager
import pyarrow as pa
import pytest
from adbc_driver_flightsql import DatabaseOptions
from pyarrow import flight as arrow_flight

from engine.lake import Lake
from flight.server import Server
from tests.flight.door import Connect, query

UTC = datetime.UTC
VALUES: dict[str, object] = {
    "true": True,
    "(-128)::tinyint": -128,
    "255::utinyint": 255,
    "(-32768)::smallint": -32768,
    "65535::usmallint": 65535,
    "4294967295::uinteger": 4294967295,
    "(-9223372036854775808)::bigint": -(2**63),
    "18446744073709551615::ubigint": 2**64 - 1,
    "170141183460469231731687303715884105727::hugeint": decimal.Decimal(2**127 - 1),
    "0.1::float": 0.10000000149011612,
    "'nan'::double": float("nan"),
    "'-inf'::double": float("-inf"),
    "123.45::decimal(5, 2)": decimal.Decimal("123.45"),
    "(-0.00000000000000000000000000000000000001)::decimal(38, 38)": decimal.Decimal("-1e-38"),
    "99999999999999999999999999999999999999::decimal(38, 0)": decimal.Decimal("9" * 38),
    "'ü' || chr(0) || '🦆'": "ü\0🦆",
    "''": "",
    "'\\x00\\xff'::blob": b"\x00\xff",
    "date '1969-12-31'": datetime.date(1969, 12, 31),
    "time '23:59:59.999999'": datetime.time(23, 59, 59, 999999),
    "timestamp '1969-12-31 23:59:59.999999'": datetime.datetime(1969, 12, 31, 23, 59, 59, 999999),
    "timestamp_s '2020-02-29 01:02:03'": datetime.datetime(2020, 2, 29, 1, 2, 3),
    "timestamp_ms '2020-02-29 01:02:03.004'": datetime.datetime(2020, 2, 29, 1, 2, 3, 4000),
    "timestamptz '2020-02-29 01:02:03+03'": datetime.datetime(2020, 2, 28, 22, 2, 3, tzinfo=UTC),
    "timestamptz '2020-07-01 12:00:00 Europe/Berlin'": datetime.datetime(2020, 7, 1, 10, tzinfo=UTC),
    "uuid '123e4567-e89b-12d3-a456-426614174000'": "123e4567-e89b-12d3-a456-426614174000",
    "'{\"a\": [1]}'::json": '{"a": [1]}',
    "'sad'::enum('glad', 'sad')": "sad",
    "[1, null, 3]": [1, None, 3],
    "[1.5, 2.5]::float[2]": [1.5, 2.5],
    "[['a'], [], null]": [["a"], [], None],
    "{'x': 1, 'y': {'z': ['q']}}": {"x": 1, "y": {"z": ["q"]}},
    "map {'k': 1, 'l': null}": [("k", 1), ("l", None)],
    "['sad'::enum('glad', 'sad')]": ["sad"],
    "null": None,
    "null::integer[]": None,
}  # fmt: skip


def one(cursor: Any, sql: str, parameters: object = None) -> object:
    cursor.execute(sql, parameters)
    return cursor.fetchall()[0][0]


@pytest.mark.parametrize(("sql", "value"), VALUES.items())
def test_values(connection: Any, sql: str, value: object) -> None:
    with connection.cursor() as cursor:
        found = one(cursor, f"select {sql} as x")
        if value != value:
            assert found != found
        else:
            assert (str(found) if isinstance(found, uuid.UUID) else found) == value
        # the same in a column with other rows, and none
        cursor.execute(f"select x from range(3) as r(i) left join (select 1 as i, {sql} as x) using (i) order by i")
        rows = [row[0] for row in cursor.fetchall()]
        assert (rows[0], rows[2]) == (None, None)
        cursor.execute(f"select {sql} as x where false")
        assert cursor.fetchall() == []


def test_unions_and_intervals_and_bits_arrive_as_arrow(connection: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute("select union_value(n := 7) as u union all select union_value(n := 8)::union(n integer)")
        assert cursor.fetch_arrow_table().column("u").to_pylist() == [7, 8]
        cursor.execute("select interval '1 month 2 days 3 seconds' as i")
        (interval,) = cursor.fetch_arrow_table().column("i").to_pylist()
        assert (interval.months, interval.days, interval.nanoseconds) == (1, 2, 3_000_000_000)
        cursor.execute("select '0101'::bit::varchar as b, timetz '01:02:03+02'::varchar as t")
        assert cursor.fetchall() == [("0101", "01:02:03+02")]


def test_enums_of_many_batches(connection: Any) -> None:
    """A dictionary in a stream of many messages."""
    with connection.cursor() as cursor:
        cursor.execute("select if(i % 3 = 0, 'a', 'b')::enum('a', 'b') as e from range(200_000) as r(i)")
        found = cursor.fetch_arrow_table()
        assert pa.types.is_dictionary(found.schema.field("e").type)
        counts = {row["values"]: row["counts"] for row in found.column("e").combine_chunks().value_counts().to_pylist()}
        assert counts == {"a": 66_667, "b": 133_333}


def test_time_zones_are_utc_whatever_the_host_has(connection: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute("select timestamptz '2020-07-01 12:00:00 America/New_York' as t")
        found = cursor.fetch_arrow_table()
        assert found.schema.field("t").type == pa.timestamp("us", "UTC")
        assert found.column("t").to_pylist() == [datetime.datetime(2020, 7, 1, 16, tzinfo=UTC)]


LARGE = 100_000_000


def test_a_cell_of_100_mb_both_ways(client: arrow_flight.FlightClient, server: Server, table: str) -> None:
    cell = pa.table({"a": pa.array([b"x" * LARGE], pa.binary())})
    options = {DatabaseOptions.WITH_MAX_MSG_SIZE.value: str(2 * LARGE)}
    sql = f"select a, 1 as i from {table}"
    with adbc.connect(server.uri, options, autocommit=True) as connection, connection.cursor() as cursor:
        assert cursor.adbc_ingest(table, cell, mode="create") == 1
        with pytest.raises(adbc_driver_manager.Error, match=r"\[INVALID\] the parameters are larger than"):
            cursor.execute("select octet_length(?)", (b"x" * LARGE,))
        cursor.execute(sql)
        assert cursor.fetch_arrow_table().column("a")[0].as_buffer().size == LARGE
        assert cursor.adbc_ingest("tmp", cell, mode="create", temporary=True) == 1
        assert one(cursor, "select octet_length(a) from tmp") == LARGE
    assert query(client, sql).column("a")[0].as_buffer().size == LARGE
    with adbc.connect(server.uri, autocommit=True) as connection, connection.cursor() as cursor:
        with pytest.raises((adbc_driver_manager.Error, OSError), match="larger than max"):
            one(cursor, sql)  # the driver refuses it unless it is told a larger size
        assert one(cursor, "select 1") == 1


def test_several_statements_in_one_text(connection: Any, table: str) -> None:
    with connection.cursor() as cursor:
        for sql in ("select 1; select 2", f"create table {table} (a integer); drop table {table}"):
            with pytest.raises(adbc_driver_manager.ProgrammingError, match=r"\[INVALID\] the text holds 2 statements"):
                cursor.execute(sql)
        assert one(cursor, "select 1; -- one statement, with a semicolon") == 1


def test_pivot_and_its_kin(connection: Any, table: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"create table {table} as select i % 2 as k, 'c' || (i % 3) as c, i as v from range(12) as r(i)")
        pivot = f"pivot {table} on c using sum(v) group by k order by k"
        cursor.execute(pivot)
        assert [column[0] for column in cursor.description] == ["k", "c0", "c1", "c2"]
        assert cursor.fetchall() == [(0, 6, 14, 10), (1, 12, 8, 16)]
        assert cursor.adbc_execute_schema(pivot).names == ["k", "c0", "c1", "c2"]
        cursor.execute(f"from {table} pivot (count(*) for c in ('c0', 'c9')) order by all")
        assert len(cursor.fetchall()) == 12
        cursor.execute("unpivot (select 1 as p, 2 as q) on p, q")
        assert cursor.fetchall() == [("p", 1), ("q", 2)]
        for sql in (f"summarize {table}", f"describe {table}", "show tables", "show all tables"):
            cursor.execute(sql)
            assert len(cursor.fetchall()) > 0


def test_explain(connection: Any, table: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("explain select i from range(3) as r(i)")
        assert cursor.fetchall()[0][0] == "physical_plan"
        cursor.execute("explain analyze select i from range(3) as r(i)")
        assert "Total Time" in cursor.fetchall()[0][1]
        with pytest.raises(adbc_driver_manager.Error, match=r"\[FORBIDDEN\] explain analyze"):
            cursor.execute(f"explain analyze create table {table} as select 1 as a")


@pytest.fixture
def native(lake: Lake, table: str) -> str:
    """A table that can have keys and RETURNING: in a catalog of DuckDB's own kind."""
    cursor = lake.cursor()
    cursor.execute("attach if not exists ':memory:' as yard")
    cursor.execute(f"create table yard.{table} (id integer primary key, b varchar)")
    cursor.close()
    return f"yard.main.{table}"


def test_returning(connect: Connect, native: str, table: str) -> None:
    connection = connect(autocommit=True)
    with connection.cursor() as cursor:
        cursor.execute(f"insert into {native} values (1, 'x'), (2, 'y') returning id, upper(b) as u")
        assert cursor.fetchall() == [(1, "X"), (2, "Y")]
        assert len(cursor.adbc_prepare(f"insert into {native} values (?, ?) returning *")) == 2
        cursor.execute(f"insert into {native} values (?, ?) returning *", (3, "z"))
        assert cursor.fetchall() == [(3, "z")]
        for sql, names in {
            f"delete from {native} returning id": ["id"],
            f"insert into {native} (id) values (?) returning upper(b) as u, id": ["u", "id"],
            f"update {native} as n set b = ? where id = 1 returning *": ["id", "b"],
        }.items():
            assert cursor.adbc_execute_schema(sql).names == names
        cursor.execute(f"update {native} set b = b || '!' where id > ? returning b", (1,))
        assert sorted(cursor.fetchall()) == [("y!",), ("z!",)]
        cursor.execute(f"delete from {native} returning id")
        assert len(cursor.fetchall()) == 3
        with pytest.raises(adbc_driver_manager.Error, match=r"\[CONFLICT\]"):
            cursor.executemany(f"insert into {native} values (?, ?)", [(9, "a"), (9, "b")])
        cursor.execute(f"create table {table} (a integer)")
        with pytest.raises(adbc_driver_manager.Error, match=r"\[INVALID\] RETURNING clause not yet supported"):
            cursor.execute(f"insert into {table} values (1) returning a")


def test_parameters_of_every_inferred_type(connect: Connect, table: str) -> None:
    connection = connect(autocommit=True)
    with connection.cursor() as cursor:
        cursor.execute(f"create table {table} (i integer, s varchar, m decimal(9, 2), t timestamp, d date, f double)")
        insert = f"insert into {table} values (?, ?, ?, ?, ?, ?)"
        kinds = [pa.int32(), pa.string(), pa.decimal128(9, 2), pa.timestamp("us"), pa.date32(), pa.float64()]
        assert cursor.adbc_prepare(insert).types == kinds
        row = (7, "x", decimal.Decimal("1.50"), datetime.datetime(2020, 1, 2, 3), datetime.date(2020, 1, 2), 0.5)
        cursor.execute(insert, row)
        assert cursor.adbc_prepare(f"select * from {table} where i = ? and d < ? limit ?").types == [
            pa.int32(), pa.date32(), pa.int64(),
        ]  # fmt: skip
        cursor.execute(f"select * from {table} where i = ? and d < ? limit ?", (7, datetime.date(2021, 1, 1), 5))
        assert cursor.fetchall() == [row]
