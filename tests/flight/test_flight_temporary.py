"""`adbc_ingest(…, temporary=True)` through stock ADBC."""

from typing import Any

import adbc_driver_manager
import pyarrow as pa
import pytest
from pyarrow import flight as arrow_flight

from engine.lake import Lake
from flight.server import Server
from tests.flight.door import Connect, query, wait_for

TWO = pa.table({"a": pa.array([1, 2], pa.int64()), "b": ["x", "y"]})


def rows(connection: Any, sql: str) -> list[tuple[object, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        found: list[tuple[object, ...]] = cursor.fetchall()
        return found


def gone(connection: Any, sql: str) -> bool:
    with connection.cursor() as cursor, pytest.raises(adbc_driver_manager.Error, match=r"\[NOT_FOUND\]"):
        cursor.execute(sql)
    return True


def test_it_is_seen_by_its_connection_only(
    connection: Any, connect: Connect, client: arrow_flight.FlightClient
) -> None:
    other = connect(autocommit=True)
    with connection.cursor() as cursor:
        assert cursor.adbc_ingest("tmp", TWO, mode="create", temporary=True) == 2
        cursor.execute("select * from tmp where a = ?", (2,))
        assert cursor.fetchall() == [(2, "y")]
        assert cursor.adbc_ingest("tmp", TWO, mode="append", temporary=True) == 2
    assert rows(connection, "select count(*), sum(a) from tmp") == [(4, 6)]
    assert gone(other, "from tmp")
    with pytest.raises(pa.lib.ArrowKeyError):
        query(client, "from tmp")
    if not connection._autocommit:
        connection.rollback()
        assert gone(connection, "from tmp")


def test_it_follows_its_transaction(connect: Connect, table: str) -> None:
    connection = connect(autocommit=False)
    with connection.cursor() as cursor:
        cursor.adbc_ingest("tmp", TWO, mode="create", temporary=True)
        connection.commit()
        cursor.execute(f"create table {table} as select a from tmp")
        cursor.adbc_ingest("tmp", TWO, mode="append", temporary=True)
        cursor.execute(f"insert into {table} select a from tmp")
        connection.commit()
        assert rows(connection, f"select count(*), (select count(*) from tmp) from {table}") == [(6, 4)]
        cursor.adbc_ingest("tmp", TWO, mode="replace", temporary=True)
        assert rows(connection, "select count(*) from tmp") == [(2,)]
        connection.rollback()
        assert rows(connection, "select count(*) from tmp") == [(4,)]


def test_the_modes_and_what_is_refused(connection: Any, table: str) -> None:
    with connection.cursor() as cursor:
        with pytest.raises(adbc_driver_manager.Error, match=r"\[NOT_FOUND\] the temporary table"):
            cursor.adbc_ingest(table, TWO, mode="append", temporary=True)
        cursor.adbc_ingest(table, TWO, mode="create_append", temporary=True)
        with pytest.raises(adbc_driver_manager.Error, match=r"\[CONFLICT\]"):
            cursor.adbc_ingest(table, TWO, mode="create", temporary=True)
        with pytest.raises(adbc_driver_manager.Error, match=r"\[INVALID\].*no catalog"):
            cursor.adbc_ingest(table, TWO, mode="create", temporary=True, db_schema_name="main")
        cursor.execute(f"drop view {table}")
        assert gone(connection, f"from {table}")


def test_its_schema_and_type_are_told(connect: Connect) -> None:
    connection, other = connect(autocommit=True), connect(autocommit=True)
    with connection.cursor() as cursor:
        cursor.adbc_ingest("tmp", TWO, mode="create", temporary=True)
    assert connection.adbc_get_table_schema("tmp").remove_metadata().equals(TWO.schema)
    with pytest.raises(adbc_driver_manager.Error):
        other.adbc_get_table_schema("tmp")


def test_it_goes_with_its_connection(server: Server, lake: Lake, connect: Connect) -> None:
    connection = connect(autocommit=True)
    with connection.cursor() as cursor:
        cursor.adbc_ingest("tmp", TWO, mode="create", temporary=True)
    held = [known.session for known in server._sessions._by_id.values() if known.session.temporary.bytes]
    assert len(held) == 1
    connection.close()
    wait_for(lambda: held[0].temporary.bytes == 0)
    assert gone(connect(autocommit=True), "from tmp")
