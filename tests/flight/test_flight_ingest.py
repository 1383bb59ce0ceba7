"""`adbc_ingest` in every mode, and what becomes of a load that fails or is broken off."""

from collections.abc import Iterator
from typing import Any

import adbc_driver_manager
import pyarrow as pa
import pytest
from pyarrow import flight as arrow_flight

from engine.lake import Lake
from flight import codec, messages
from tests.flight.door import Connect, descriptor, wait_for

TWO = pa.table({"a": pa.array([1, 2], pa.int64()), "b": ["x", "y"]})


def check_nothing_written(connection: Any, lake: Lake, table: str) -> None:
    """The client learns of a broken load before the server does: let the server end it first."""
    wait_for(lambda: not lake.statements())
    with connection.cursor() as cursor, pytest.raises(adbc_driver_manager.Error, match=r"\[NOT_FOUND\]"):
        cursor.execute(f"select * from {table}")


def rows(connection: Any, table: str) -> list[tuple[object, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(f"select a, b from {table} order by all")
        found: list[tuple[object, ...]] = cursor.fetchall()
        return found


def test_the_modes(connection: Any, table: str) -> None:
    with connection.cursor() as cursor:
        with pytest.raises(adbc_driver_manager.ProgrammingError, match=r"\[NOT_FOUND\]"):
            cursor.adbc_ingest(table, TWO, mode="append")
        assert cursor.adbc_ingest(table, TWO, mode="create") == 2
        with pytest.raises(adbc_driver_manager.ProgrammingError, match=r"\[CONFLICT\]"):
            cursor.adbc_ingest(table, TWO, mode="create")
        assert cursor.adbc_ingest(table, TWO.slice(0, 1), mode="append") == 1
        assert rows(connection, table) == [(1, "x"), (1, "x"), (2, "y")]
        assert cursor.adbc_ingest(table, TWO.slice(1), mode="create_append") == 1
        assert cursor.adbc_ingest(table, TWO, mode="replace") == 2
        assert rows(connection, table) == [(1, "x"), (2, "y")]
        cursor.execute(f"drop table {table}")
        assert cursor.adbc_ingest(table, TWO, mode="create_append") == 2
        assert rows(connection, table) == [(1, "x"), (2, "y")]


def test_into_a_catalog_and_schema(connection: Any, table: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute('create schema if not exists "primary".wing')
        cursor.adbc_ingest(table, TWO, mode="create", catalog_name="primary", db_schema_name="wing")
        assert rows(connection, f'"primary".wing.{table}') == [(1, "x"), (2, "y")]
        with pytest.raises(adbc_driver_manager.Error, match=r"\[NOT_FOUND\]"):
            cursor.execute(f"select * from main.{table}")
    if not connection._autocommit:
        connection.rollback()
    else:
        with connection.cursor() as cursor:
            cursor.execute('drop schema "primary".wing cascade')


def test_a_load_belongs_to_the_open_transaction(connect: Connect, table: str) -> None:
    connection, other = connect(autocommit=False), connect(autocommit=True)
    with connection.cursor() as cursor:
        cursor.adbc_ingest(table, TWO, mode="create")
        assert rows(connection, table) == [(1, "x"), (2, "y")]
        with pytest.raises(adbc_driver_manager.Error, match=r"\[NOT_FOUND\]"):
            rows(other, table)
        connection.rollback()
        with pytest.raises(adbc_driver_manager.Error, match=r"\[NOT_FOUND\]"):
            rows(connection, table)
        connection.rollback()
        cursor.adbc_ingest(table, TWO, mode="create")
        cursor.adbc_ingest(table, TWO, mode="append")
        connection.commit()
        assert len(rows(other, table)) == 4


def test_columns_are_matched_by_name(connection: Any, table: str) -> None:
    with connection.cursor() as cursor:
        cursor.adbc_ingest(table, TWO, mode="create")
        cursor.adbc_ingest(table, TWO.select(["b", "a"]), mode="append")
        assert len(rows(connection, table)) == 4


def test_types_survive(connection: Any, table: str) -> None:
    sent = pa.table(
        {
            "i": pa.array([1, None], pa.int16()),
            "f": pa.array([0.5, None], pa.float32()),
            "s": pa.array(["ü", None]),
            "t": pa.array([0, None], pa.timestamp("us", "UTC")),
            "d": pa.array([0, None], pa.date32()),
            "m": pa.array([1, None], pa.decimal128(10, 2)),
            "l": pa.array([[1, 2], None], pa.list_(pa.int64())),
            "o": pa.array([{"x": 1}, None], pa.struct([("x", pa.int32())])),
            "z": pa.array([b"\x00", None], pa.binary()),
            "b": pa.array([True, None], pa.bool_()),
        }
    )
    with connection.cursor() as cursor:
        cursor.adbc_ingest(table, sent, mode="create")
        cursor.execute(f"select * from {table}")
        assert cursor.fetch_arrow_table().to_pylist() == sent.to_pylist()


def test_a_large_load_streams(connect: Connect, table: str) -> None:
    schema = pa.schema([("a", pa.int64()), ("b", pa.string())])

    def batches() -> Iterator[pa.RecordBatch]:
        for start in range(0, 400_000, 20_000):
            numbers = range(start, start + 20_000)
            yield pa.record_batch([pa.array(numbers), pa.array([f"name {n}" for n in numbers])], schema=schema)

    connection = connect(autocommit=True)
    with connection.cursor() as cursor:
        reader = pa.RecordBatchReader.from_batches(schema, batches())
        assert cursor.adbc_ingest(table, reader, mode="create") == 400_000
        cursor.execute(f"select count(distinct a), min(b), max(a) from {table}")
        assert cursor.fetchall() == [(400_000, "name 0", 399_999)]


@pytest.mark.parametrize("before", [0, 1, 5])
def test_a_batch_that_the_client_cannot_send_writes_nothing(
    connect: Connect, lake: Lake, table: str, before: int
) -> None:
    """Stock ADBC gives up at a batch above 16 MiB; to Arrow the broken stream then looks like one that has ended."""
    schema = pa.schema([("a", pa.binary())])
    small, large = (pa.record_batch([pa.array([bytes(size)])], schema=schema) for size in (10, 17 << 20))
    connection = connect(autocommit=True)
    with connection.cursor() as cursor:
        reader = pa.RecordBatchReader.from_batches(schema, [*[small] * before, large])
        with pytest.raises(adbc_driver_manager.Error, match="larger than max"):
            cursor.adbc_ingest(table, reader, mode="create")
    check_nothing_written(connection, lake, table)


@pytest.mark.parametrize("sent", range(4))
def test_a_source_that_fails_writes_nothing(connect: Connect, lake: Lake, table: str, sent: int) -> None:
    schema = pa.schema([("a", pa.int64())])

    def batches() -> Iterator[pa.RecordBatch]:
        for _ in range(sent):
            yield pa.record_batch([pa.array(range(1000))], schema=schema)
        raise RuntimeError("the source failed")

    connection = connect(autocommit=True)
    with connection.cursor() as cursor, pytest.raises(adbc_driver_manager.Error):
        cursor.adbc_ingest(table, pa.RecordBatchReader.from_batches(schema, batches()), mode="create")
    check_nothing_written(connection, lake, table)


def test_a_batch_that_does_not_fit_writes_nothing(connection: Any, table: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"create table {table} (a integer, b varchar)")
        if not connection._autocommit:
            connection.commit()
        with pytest.raises(adbc_driver_manager.Error, match=r"\[(INVALID|NOT_FOUND)\]"):
            cursor.adbc_ingest(table, pa.table({"a": [1], "nope": [2]}), mode="append")
        with pytest.raises(adbc_driver_manager.Error, match=r"\[INVALID\]"):
            cursor.adbc_ingest(table, pa.table({"a": ["1", "x"], "b": ["p", "q"]}), mode="append")
        if not connection._autocommit:
            connection.rollback()
    assert rows(connection, table) == []


def test_an_unusable_type_is_refused_before_any_data_moves(connect: Connect, table: str) -> None:
    connection = connect(autocommit=True)
    with connection.cursor() as cursor:
        sent = pa.table({"a": pa.array([1000], pa.decimal128(5, -2))})
        with pytest.raises(adbc_driver_manager.Error, match=r"\[INVALID\].*negative scale"):
            cursor.adbc_ingest(table, sent, mode="create")
        with pytest.raises(adbc_driver_manager.Error, match=r"\[NOT_FOUND\]"):
            cursor.execute(f"select * from {table}")


def test_a_load_without_a_mode_is_invalid(client: arrow_flight.FlightClient, table: str) -> None:
    command = messages.CommandStatementIngest(messages.TableDefinitionOptions(), table)
    writer, reader = client.do_put(descriptor(command), TWO.schema)
    writer.done_writing()
    assert reader.read() is None
    with pytest.raises(pa.ArrowInvalid, match="load mode"):
        writer.close()


def test_a_load_in_a_named_transaction(client: arrow_flight.FlightClient, connect: Connect, table: str) -> None:
    begun = next(
        client.do_action(
            arrow_flight.Action("BeginTransaction", codec.encode(messages.ActionBeginTransactionRequest()))
        )
    )
    transaction = codec.decode(begun.body.to_pybytes()).transaction_id  # type: ignore[attr-defined]
    options = messages.TableDefinitionOptions(messages.IfMissing.CREATE, messages.IfExists.FAIL)
    command = messages.CommandStatementIngest(options, table, transaction_id=transaction)
    writer, reader = client.do_put(descriptor(command), TWO.schema)
    writer.write_table(TWO)
    writer.done_writing()
    assert codec.parse(messages.DoPutUpdateResult, reader.read().to_pybytes()).record_count == 2
    writer.close()
    end = messages.ActionEndTransactionRequest(transaction, messages.Ending.ROLLBACK)
    list(client.do_action(arrow_flight.Action("EndTransaction", codec.encode(end))))
    with pytest.raises(adbc_driver_manager.Error, match=r"\[NOT_FOUND\]"):
        rows(connect(autocommit=True), table)
