"""What is announced is what is served, command by command, with pyarrow's own client."""

from typing import Any, TypeAlias

import pyarrow as pa
import pytest
from pyarrow import flight as arrow_flight

from flight import codec, messages
from tests.flight.door import Connect, action, descriptor

Client: TypeAlias = Any  # pyarrow has no types
SQL = b"type.googleapis.com/arrow.flight.protocol.sql."
SUBSTRAIT_SUPPORTED, TRANSACTIONS_SUPPORTED, WITHOUT_SAVEPOINTS = 5, 8, 1


def raw(name: bytes) -> bytes:
    """An `Any` with an empty message of that name."""
    return b"\x0a" + bytes([len(SQL + name)]) + SQL + name


def fetch(client: Client, command: object) -> pa.Table:
    return client.do_get(client.get_flight_info(descriptor(command)).endpoints[0].ticket).read_all()


def test_savepoints_and_substrait_are_neither_announced_nor_served(client: Client) -> None:
    facts = fetch(client, messages.CommandGetSqlInfo((SUBSTRAIT_SUPPORTED, TRANSACTIONS_SUPPORTED)))
    assert facts.column("value").to_pylist() == [False, WITHOUT_SAVEPOINTS]
    unspoken = ("BeginSavepoint", "EndSavepoint", "CreatePreparedSubstraitPlan")
    assert not {kind.type for kind in client.list_actions()} & set(unspoken)
    for kind in unspoken:
        with pytest.raises(pa.ArrowNotImplementedError, match=f"the action {kind} is not supported"):
            action(client, kind, raw(f"Action{kind}Request".encode()))
    plan = arrow_flight.FlightDescriptor.for_command(raw(b"CommandStatementSubstraitPlan"))
    for ask in (client.get_flight_info, client.get_schema):
        with pytest.raises(pa.ArrowNotImplementedError, match="CommandStatementSubstraitPlan is not supported"):
            ask(plan)


def test_every_announced_action_is_served(client: Client) -> None:
    """Each of them finds its handler: none says that it is not supported, whatever it says of an empty body."""
    for kind in client.list_actions():
        try:
            action(client, kind.type)
        except pa.ArrowNotImplementedError as error:
            raise AssertionError(kind.type) from error
        except (pa.ArrowException, arrow_flight.FlightError):
            continue


def test_table_types_as_tools_compare_them(client: Client, connect: Connect, table: str) -> None:
    """JDBC and ODBC tools want TABLE, SQLAlchemy over ADBC wants table; asking for one finds it in any spelling."""
    connection = connect(autocommit=True)
    with connection.cursor() as cursor:
        cursor.execute(f"create table {table} (a integer)")
    for asked in ((), ("TABLE",), ("table",), ("BASE TABLE",), ("VIEW", "Table")):
        found = fetch(client, messages.CommandGetTables("primary", None, table, asked)).to_pylist()
        assert [row["table_type"] for row in found] == ["TABLE"]
    for wanted in (None, ["table"], ["TABLE"], ["BASE TABLE"]):
        objects = connection.adbc_get_objects(depth="tables", table_name_filter=table, table_types_filter=wanted)
        tables = [
            one
            for catalog in objects.read_all().to_pylist()
            for schema in catalog["catalog_db_schemas"] or []
            for one in schema["db_schema_tables"] or []
        ]
        assert [(one["table_name"], one["table_type"]) for one in tables] == [(table, "table")]


def prepared(client: Client, sql: str) -> messages.ActionCreatePreparedStatementResult:
    request = codec.encode(messages.ActionCreatePreparedStatementRequest(sql))
    (answer,) = action(client, "CreatePreparedStatement", request)
    found = codec.decode(answer)
    assert isinstance(found, messages.ActionCreatePreparedStatementResult)
    return found


def schema(data: bytes) -> pa.Schema:
    return pa.ipc.read_schema(pa.py_buffer(data)) if data else pa.schema([])


def test_what_preparing_tells(client: Client, connect: Connect, table: str) -> None:
    with connect(autocommit=True).cursor() as cursor:
        cursor.execute(f"create table {table} as select 1 as a, 'x' as b, date '2020-01-01' as d")
    query = prepared(client, f"select b from {table} where a = ? and d between ? and ? limit ?")
    assert query.is_update is False
    assert schema(query.dataset_schema) == pa.schema([("b", pa.string())])
    assert schema(query.parameter_schema).types == [pa.int32(), pa.date32(), pa.date32(), pa.int64()]
    for sql in (f"insert into {table} values (?, ?, ?)", f"update {table} set b = ?", f"drop table {table}"):
        update = prepared(client, sql)
        assert (update.is_update, update.dataset_schema) == (True, b"")
    insert = prepared(client, f"insert into {table} (d, b) values (?, ?)")
    assert schema(insert.parameter_schema).types == [pa.date32(), pa.string()]
    pivot = prepared(client, f"pivot {table} on b using max(a)")
    assert (pivot.is_update, schema(pivot.dataset_schema).names) == (False, ["d", "x"])


def test_get_schema_is_that_of_the_rows(client: Client, connect: Connect, table: str) -> None:
    with connect(autocommit=True).cursor() as cursor:
        cursor.execute(f"create table {table} as select i % 2 as k, 'c' || (i % 3) as c, i as v from range(12) as r(i)")
    for sql in (
        f"from {table}",
        f"pivot {table} on c using sum(v) group by k",
        f"with p as (pivot {table} on c using sum(v)) from p",
        f"summarize {table}",
        f"describe {table}",
        "show tables",
        "show all tables",
        "explain select 1",
        "explain analyze select 1",
        "select 'a'::enum('a', 'b') as e, [1] as l, {'x': 1} as s, map {'k': 1} as m, 1.5 as d, now() as t",
    ):
        command = messages.CommandStatementQuery(sql)
        assert client.get_schema(descriptor(command)).schema == fetch(client, command).schema, sql
