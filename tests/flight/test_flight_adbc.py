"""Stock `adbc_driver_flightsql.dbapi`, unmodified, in both modes."""

import datetime
import decimal
from typing import Any

import adbc_driver_manager
import pyarrow as pa
import pytest

from tests.flight.door import Acts, Connect


def end(connection: Any) -> None:
    """Commit where there is something to commit."""
    if not connection._autocommit:
        connection.commit()


def test_execute_and_the_ways_to_fetch(connection: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute("select i, 'n' || i as name from range(5) as r(i)")
        assert [column[0] for column in cursor.description] == ["i", "name"]
        assert cursor.fetchone() == (0, "n0")
        assert cursor.fetchmany(2) == [(1, "n1"), (2, "n2")]
        assert cursor.fetchall() == [(3, "n3"), (4, "n4")]
        cursor.execute("select i from range(5) as r(i)")
        assert cursor.fetch_arrow_table() == pa.table({"i": pa.array(range(5), pa.int64())})
        cursor.execute("select i from range(100_000) as r(i)")
        assert sum(batch.num_rows for batch in cursor.fetch_record_batch()) == 100_000
        cursor.execute("select 1 as i where false")
        assert cursor.fetchall() == []


def test_data_frames(connection: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute("select i from range(3) as r(i)")
        assert cursor.fetch_df()["i"].tolist() == [0, 1, 2]
        cursor.execute("select i from range(3) as r(i)")
        assert cursor.fetch_polars()["i"].to_list() == [0, 1, 2]


PARAMETERS = [
    True, 7, -(2**40), 2.5, "ü 'quoted'", b"\x00\xff", None, decimal.Decimal("12.345"), datetime.date(2020, 2, 29),
    datetime.datetime(2020, 2, 29, 1, 2, 3, 4), datetime.time(1, 2, 3),
]  # fmt: skip


@pytest.mark.parametrize("value", PARAMETERS, ids=lambda value: type(value).__name__)
def test_a_parameter_comes_back_as_it_was_sent(connection: Any, value: object) -> None:
    with connection.cursor() as cursor:
        cursor.execute("select ? as x", (value,))
        assert cursor.fetchall() == [(value,)]


def test_parameters_in_conditions_and_repeated_execution(connection: Any) -> None:
    with connection.cursor() as cursor:
        for low in (7, 8, 9):
            cursor.execute("select i from range(10) as r(i) where i >= ? and 'x' = ? order by i", (low, "x"))
            assert [row[0] for row in cursor.fetchall()] == list(range(low, 10))


def test_several_rows_of_parameters_for_a_query(connection: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute("select ? + 1 as x", pa.record_batch({"a": [1, 2, 3]}))
        assert cursor.fetchall() == [(2,), (3,), (4,)]


def test_ddl_and_dml_through_execute_run_exactly_once(connection: Any, table: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"create table {table} (a integer, b varchar)")
        assert cursor.fetchall() == []
        cursor.execute(f"insert into {table} values (1, 'x'), (2, 'y')")
        cursor.execute(f"insert into {table} values (?, ?)", (3, "z"))
        cursor.execute(f"select count(*) from {table}")
        assert cursor.fetchall() == [(3,)]
        cursor.execute(f"update {table} set a = a + 10 where a > 1")
        cursor.execute(f"select a from {table} order by a")
        assert cursor.fetchall() == [(1,), (12,), (13,)]
        cursor.execute(f"delete from {table} where a = 1")
        cursor.execute(f"alter table {table} add column c integer")
        cursor.execute(f"select * from {table} order by a")
        assert cursor.fetchall() == [(12, "y", None), (13, "z", None)]
        cursor.execute(f"drop table {table}")
    end(connection)


def test_the_row_count_of_dml_is_told(connection: Any, table: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"create table {table} (a integer)")
        cursor.execute(f"insert into {table} select i from range(7) as r(i)")
        assert cursor.rowcount == 7
        cursor.executemany(f"update {table} set a = 0 where a < ?", [(3,), (5,)])
        assert cursor.rowcount == 3 + 5
        cursor.executemany(f"delete from {table}", None)
        assert cursor.rowcount == 7


def test_executemany(connection: Any, table: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"create table {table} (a integer, b varchar)")
        cursor.executemany(f"insert into {table} values (?, ?)", [(n, f"n{n}") for n in range(50)])
        assert cursor.rowcount == 50
        cursor.executemany(f"insert into {table} values (?, ?)", pa.table({"a": [100], "b": ["arrow"]}))
        cursor.executemany(f"insert into {table} values (?, ?)", [])
        cursor.execute(f"select count(*), max(b) from {table}")
        assert cursor.fetchall() == [(51, "n9")]


def test_a_function_with_effects_runs_exactly_once(connection: Any, acts: Acts) -> None:
    with connection.cursor() as cursor:
        for _ in range(3):
            before = acts.runs
            cursor.execute("select n from act()")
            assert cursor.fetchall() == [(before + 1,)]
            assert acts.runs == before + 1


def test_a_slow_function_with_effects_runs_exactly_once(connect: Connect, acts: Acts) -> None:
    before = acts.runs
    with connect(autocommit=True).cursor() as cursor:
        cursor.execute("select n from act(seconds := 0.8)")
        assert cursor.fetchall() == [(before + 1,)]
    assert acts.runs == before + 1


def test_the_statement_of_a_cursor_survives_a_changed_table(connection: Any, table: str) -> None:
    """The cursor keeps its prepared statement; its schema must be that of the table as it is now."""
    with connection.cursor() as cursor, connection.cursor() as other:
        other.execute(f"create table {table} (a integer)")
        cursor.execute(f"select * from {table}")
        assert cursor.fetchall() == []
        other.execute(f"alter table {table} add column b varchar")
        cursor.execute(f"select * from {table}")
        assert [column[0] for column in cursor.description] == ["a", "b"]


def test_commit_and_rollback(connect: Connect, table: str) -> None:
    connection, other = connect(autocommit=False), connect(autocommit=True)
    with connection.cursor() as cursor, other.cursor() as reader:
        cursor.execute(f"create table {table} (a integer)")
        connection.commit()
        cursor.execute(f"insert into {table} values (1)")
        cursor.execute(f"select count(*) from {table}")
        assert cursor.fetchall() == [(1,)]
        reader.execute(f"select count(*) from {table}")
        assert reader.fetchall() == [(0,)]
        connection.rollback()
        cursor.execute(f"select count(*) from {table}")
        assert cursor.fetchall() == [(0,)]
        cursor.execute(f"insert into {table} values (2)")
        connection.commit()
        reader.execute(f"select a from {table}")
        assert reader.fetchall() == [(2,)]


def test_ddl_is_rolled_back(connect: Connect, table: str) -> None:
    connection = connect(autocommit=False)
    with connection.cursor() as cursor:
        cursor.execute(f"create table {table} (a integer)")
        connection.rollback()
        with pytest.raises(adbc_driver_manager.ProgrammingError, match="NOT_FOUND"):
            cursor.execute(f"select * from {table}")
        connection.rollback()


def test_a_transaction_reads_one_state(connect: Connect, table: str) -> None:
    connection, other = connect(autocommit=False), connect(autocommit=True)
    with connection.cursor() as cursor, other.cursor() as writer:
        writer.execute(f"create table {table} (a integer)")
        connection.rollback()
        cursor.execute(f"select count(*) from {table}")
        assert cursor.fetchall() == [(0,)]
        writer.execute(f"insert into {table} values (1)")
        cursor.execute(f"select count(*) from {table}")
        assert cursor.fetchall() == [(0,)]
        connection.commit()
        cursor.execute(f"select count(*) from {table}")
        assert cursor.fetchall() == [(1,)]


def test_a_conflicting_commit_fails_and_keeps_nothing(connect: Connect, table: str) -> None:
    """The driver forgets its transaction when a commit fails and begins no other: its users connect again."""
    first, second = connect(autocommit=False), connect(autocommit=False)
    with first.cursor() as one, second.cursor() as two:
        one.execute(f"create table {table} (a integer)")
        one.execute(f"insert into {table} values (1)")
        first.commit()
        second.rollback()
        one.execute(f"update {table} set a = 2")
        two.execute(f"update {table} set a = 3")
        first.commit()
        with pytest.raises(adbc_driver_manager.Error, match=r"\[CONFLICT\]"):
            second.commit()
    with connect(autocommit=False).cursor() as again:
        again.execute(f"select a from {table}")
        assert again.fetchall() == [(2,)]


def test_switching_autocommit(connect: Connect, table: str) -> None:
    connection = connect(autocommit=True)
    with connection.cursor() as cursor:
        cursor.execute(f"create table {table} (a integer)")
        connection.adbc_connection.set_autocommit(False)
        cursor.execute(f"insert into {table} values (1)")
        connection.adbc_connection.rollback()
        connection.adbc_connection.set_autocommit(True)
        cursor.execute(f"select count(*) from {table}")
        assert cursor.fetchall() == [(0,)]


def test_the_schema_without_running(connection: Any, acts: Acts) -> None:
    before = acts.runs
    with connection.cursor() as cursor:
        assert cursor.adbc_execute_schema("select n, 'x' as y from act()") == pa.schema(
            [("n", pa.int64()), ("y", pa.string())]
        )
        assert len(cursor.adbc_prepare("select ? as x, ? as y")) == 2
    assert acts.runs == before


def test_partitions(connect: Connect) -> None:
    connection = connect(autocommit=True)
    with connection.cursor() as cursor:
        partitions, schema = cursor.adbc_execute_partitions("select i from range(3) as r(i)")
        assert schema == pa.schema([("i", pa.int64())])
        cursor.adbc_read_partition(partitions[0])
        assert cursor.fetchall() == [(0,), (1,), (2,)]


def test_many_results_of_one_connection_at_a_time(connect: Connect) -> None:
    connection = connect(autocommit=True)
    cursors = [connection.cursor() for _ in range(5)]
    for number, cursor in enumerate(cursors):
        cursor.execute(f"select {number} as n, i from range(50_000) as r(i)")
    for number, cursor in enumerate(cursors):
        found = cursor.fetch_arrow_table()
        assert (found.num_rows, found.column("n")[0].as_py()) == (50_000, number)
        cursor.close()


def test_catalog_and_schema_of_the_connection(connect: Connect) -> None:
    connection, other = connect(autocommit=True), connect(autocommit=True)
    with connection.cursor() as cursor:
        cursor.execute('create schema if not exists "primary".side')
        cursor.execute('create or replace table "primary".side.here (a integer)')
        assert (connection.adbc_current_catalog, connection.adbc_current_db_schema) == ("primary", "main")
        connection.adbc_current_db_schema = "side"
        cursor.execute("select count(*) from here")
        assert cursor.fetchall() == [(0,)]
        assert connection.adbc_current_db_schema == "side"
        assert other.adbc_current_db_schema == "main"
        with pytest.raises(adbc_driver_manager.Error):
            connection.adbc_current_db_schema = "nowhere"
        connection.adbc_current_catalog = "lake"
        cursor.execute("select count(*) from journal")
        assert (connection.adbc_current_catalog, connection.adbc_current_db_schema) == ("lake", "main")
        connection.adbc_current_catalog = "primary"
        cursor.execute('drop schema "primary".side cascade')


def test_closing_a_connection_leaves_the_others(connect: Connect, server: Any) -> None:
    stays, goes = connect(autocommit=False), connect(autocommit=False)
    goes.close()
    with stays.cursor() as cursor:
        cursor.execute("select 1 as x")
        assert cursor.fetchall() == [(1,)]
