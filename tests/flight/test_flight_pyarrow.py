"""pyarrow's own Flight client with commands built by hand."""

import datetime
import time
from typing import Any, TypeAlias

import pyarrow as pa
import pytest
from pyarrow import flight as arrow_flight

from flight import codec, messages
from flight.server import Server
from tests.flight.door import Acts, action, descriptor, query, wait_for

Client: TypeAlias = Any  # pyarrow has no types


def put(client: Client, command: object, data: pa.Table | None = None) -> bytes:
    """DoPut of `command` with `data`; returns the reply."""
    table = pa.table({}) if data is None else data
    writer, reader = client.do_put(descriptor(command), table.schema)
    if data is not None:
        writer.write_table(data)
    writer.done_writing()
    reply: bytes = reader.read().to_pybytes()
    writer.close()
    return reply


def update(client: Client, sql: str, transaction: bytes | None = None) -> int:
    reply = put(client, messages.CommandStatementUpdate(sql, transaction))
    return codec.parse(messages.DoPutUpdateResult, reply).record_count


def act(client: Client, kind: str, request: object) -> Any:
    (answer,) = action(client, kind, codec.encode(request))
    return codec.decode(answer)


def test_a_query(client: Client) -> None:
    info = client.get_flight_info(descriptor(messages.CommandStatementQuery("select i from range(3) as r(i)")))
    assert info.schema == pa.schema([("i", pa.int64())])
    assert info.total_records == -1
    assert isinstance(codec.decode(info.endpoints[0].ticket.ticket), messages.TicketStatementQuery)
    assert info.endpoints[0].locations == []
    assert client.do_get(info.endpoints[0].ticket).read_all().column("i").to_pylist() == [0, 1, 2]
    assert client.get_schema(descriptor(messages.CommandStatementQuery("select 1 as x"))).schema.names == ["x"]


def test_ddl_and_dml_through_get_flight_info(client: Client, table: str) -> None:
    created = client.get_flight_info(descriptor(messages.CommandStatementQuery(f"create table {table} (a integer)")))
    assert (created.schema, created.endpoints) == (pa.schema([]), [])
    sent = client.get_flight_info(descriptor(messages.CommandStatementQuery(f"insert into {table} values (1), (2)")))
    assert (sent.total_records, sent.endpoints) == (2, [])
    assert query(client, f"select count(*) as n from {table}").to_pylist() == [{"n": 2}]


def test_updates(client: Client, table: str) -> None:
    assert update(client, f"create table {table} (a integer)") == 0
    assert update(client, f"insert into {table} select i from range(5) as r(i)") == 5
    assert update(client, f"delete from {table} where a < 2") == 2
    assert update(client, f"select * from {table}") == -1


def test_prepared_statements(client: Client, table: str) -> None:
    update(client, f"create table {table} (a integer)")
    request = messages.ActionCreatePreparedStatementRequest(f"insert into {table} values (?)")
    writing = act(client, "CreatePreparedStatement", request)
    assert (writing.is_update, writing.dataset_schema) == (True, b"")
    command = messages.CommandPreparedStatementUpdate(writing.prepared_statement_handle)
    reply = put(client, command, pa.table({"1": [1, 2, 3]}))
    assert codec.parse(messages.DoPutUpdateResult, reply).record_count == 3
    reading = act(
        client, "CreatePreparedStatement", messages.ActionCreatePreparedStatementRequest(f"from {table} where a > ?")
    )
    assert reading.is_update is False
    bound = messages.CommandPreparedStatementQuery(reading.prepared_statement_handle)
    reply = put(client, bound, pa.table({"1": [1]}))
    assert codec.parse(messages.DoPutPreparedStatementResult, reply).prepared_statement_handle is not None
    info = client.get_flight_info(descriptor(bound))
    assert client.do_get(info.endpoints[0].ticket).read_all().column("a").to_pylist() == [2, 3]
    for handle in (writing.prepared_statement_handle, reading.prepared_statement_handle):
        close = messages.ActionClosePreparedStatementRequest(handle)
        assert action(client, "ClosePreparedStatement", codec.encode(close)) == []
    with pytest.raises(pa.lib.ArrowKeyError):
        client.get_flight_info(descriptor(bound))


def write_fails(writer: Any, rows: pa.Table) -> bool:
    try:
        writer.write_table(rows)
    except arrow_flight.FlightTimedOutError:
        return True
    return False


def test_parameters_that_are_broken_off_run_nothing(client: Client, server: Server, table: str) -> None:
    update(client, f"create table {table} (a integer)")
    request = messages.ActionCreatePreparedStatementRequest(f"insert into {table} values (?)")
    handle = act(client, "CreatePreparedStatement", request).prepared_statement_handle
    rows = pa.table({"1": [1, 2, 3]})
    soon = arrow_flight.FlightCallOptions(timeout=0.2)
    writer, _ = client.do_put(descriptor(messages.CommandPreparedStatementUpdate(handle)), rows.schema, soon)
    wait_for(lambda: write_fails(writer, rows))
    with pytest.raises(arrow_flight.FlightTimedOutError):
        writer.close()
    assert server._calls.wait(time.monotonic() + 10)
    assert query(client, f"select count(*) as n from {table}").to_pylist() == [{"n": 0}]


@pytest.mark.parametrize("how", [messages.Ending.COMMIT, messages.Ending.ROLLBACK])
def test_transactions(client: Client, table: str, how: messages.Ending) -> None:
    update(client, f"create table {table} (a integer)")
    transaction = act(client, "BeginTransaction", messages.ActionBeginTransactionRequest()).transaction_id
    assert update(client, f"insert into {table} values (1)", transaction) == 1
    inside = client.get_flight_info(
        descriptor(messages.CommandStatementQuery(f"select count(*) as n from {table}", transaction))
    )
    assert client.do_get(inside.endpoints[0].ticket).read_all().to_pylist() == [{"n": 1}]
    assert query(client, f"select count(*) as n from {table}").to_pylist() == [{"n": 0}]
    action(client, "EndTransaction", codec.encode(messages.ActionEndTransactionRequest(transaction, how)))
    kept = 1 if how is messages.Ending.COMMIT else 0
    assert query(client, f"select count(*) as n from {table}").to_pylist() == [{"n": kept}]


def test_a_ticket_of_a_statement_that_acted_can_be_fetched_again(client: Client, acts: Acts) -> None:
    before = acts.runs
    info = client.get_flight_info(descriptor(messages.CommandStatementQuery("select n from act()")))
    assert info.total_records == 1
    expires = info.endpoints[0].expiration_time.as_py()
    soon = datetime.datetime.now(datetime.UTC)
    assert 290 < (expires - soon).total_seconds() < 301
    for _ in range(2):
        assert client.do_get(info.endpoints[0].ticket).read_all().to_pylist() == [{"n": before + 1}]
    assert acts.runs == before + 1


def test_renewing_an_endpoint(client: Client) -> None:
    info = client.get_flight_info(descriptor(messages.CommandStatementQuery("select n from act()")))
    ticket = messages.Ticket(info.endpoints[0].ticket.ticket)
    request = messages.RenewFlightEndpointRequest(messages.FlightEndpoint(ticket))
    (answer,) = action(client, "RenewFlightEndpoint", codec.serialize(request))
    renewed = arrow_flight.FlightEndpoint.deserialize(answer)
    assert renewed.expiration_time.as_py() > info.endpoints[0].expiration_time.as_py()
    assert client.do_get(renewed.ticket).read_all().num_rows == 1
    metadata = messages.FlightEndpoint(messages.Ticket(codec.encode(messages.CommandGetCatalogs())))
    with pytest.raises(pa.ArrowInvalid, match="does not expire"):
        action(client, "RenewFlightEndpoint", codec.serialize(messages.RenewFlightEndpointRequest(metadata)))


def test_cancelling_in_both_forms(client: Client) -> None:
    info = client.get_flight_info(descriptor(messages.CommandStatementQuery("select i from range(10) as r(i)")))
    request = codec.serialize(
        messages.CancelFlightInfoRequest(
            messages.FlightInfo((messages.FlightEndpoint(messages.Ticket(info.endpoints[0].ticket.ticket)),))
        )
    )
    (answer,) = action(client, "CancelFlightInfo", request)
    assert codec.parse(messages.CancelFlightInfoResult, answer).status == messages.CancelStatus.CANCELLED
    with pytest.raises(pa.lib.ArrowKeyError):
        client.do_get(info.endpoints[0].ticket).read_all()
    info = client.get_flight_info(descriptor(messages.CommandStatementQuery("select i from range(10) as r(i)")))
    cancelled = act(client, "CancelQuery", messages.ActionCancelQueryRequest(info.serialize()))
    assert cancelled.result == messages.CancelStatus.CANCELLED
    catalogs = client.get_flight_info(descriptor(messages.CommandGetCatalogs()))
    refused = act(client, "CancelQuery", messages.ActionCancelQueryRequest(catalogs.serialize()))
    assert refused.result == messages.CancelStatus.NOT_CANCELLABLE


def test_session_options_and_closing(client: Client) -> None:
    assert codec.parse_options(action(client, "GetSessionOptions")[0]) == {"catalog": "primary", "schema": "main"}
    refused = action(client, "SetSessionOptions", codec.serialize_options({"catalog": "lake", "colour": "red"}))
    assert b"colour" in refused[0]
    assert b"catalog" not in refused[0]
    assert codec.parse_options(action(client, "GetSessionOptions")[0]) == {"catalog": "lake", "schema": "main"}
    assert query(client, "select count(*) as n from journal").num_rows == 1
    (closed,) = action(client, "CloseSession")
    assert codec.parse(messages.CloseSessionResult, closed).status == messages.Closing.CLOSED
    assert codec.parse_options(action(client, "GetSessionOptions")[0]) == {"catalog": "primary", "schema": "main"}


class KeepCookie(arrow_flight.ClientMiddlewareFactory):  # type: ignore[misc]  # pyarrow has no types
    """A client that keeps cookies."""

    def __init__(self) -> None:
        self.cookie: str | None = None

    def start_call(self, info: Any) -> "OneCall":
        return OneCall(self)


class OneCall(arrow_flight.ClientMiddleware):  # type: ignore[misc]  # pyarrow has no types
    def __init__(self, jar: KeepCookie) -> None:
        self.jar = jar

    def sending_headers(self) -> dict[str, str]:
        return {"cookie": self.jar.cookie} if self.jar.cookie else {}

    def received_headers(self, headers: dict[str, list[str]]) -> None:
        for value in headers.get("set-cookie", []):
            self.jar.cookie = value


def test_a_cookie_keeps_the_session_over_connections(server: Server) -> None:
    jar = KeepCookie()
    with arrow_flight.connect(server.uri, middleware=[jar]) as first:
        action(first, "SetSessionOptions", codec.serialize_options({"catalog": "lake"}))
    assert jar.cookie is not None
    with arrow_flight.connect(server.uri, middleware=[jar]) as second:
        assert codec.parse_options(action(second, "GetSessionOptions")[0])["catalog"] == "lake"
        action(second, "CloseSession")
        assert codec.parse_options(action(second, "GetSessionOptions")[0])["catalog"] == "primary"


def test_enums_and_nested_types_stream(client: Client) -> None:
    sql = (
        "select if(i % 2 = 0, 'u', 'v')::enum('u', 'v') as e, [i] as l, {'x': i, 'm': map {'k': i}} as s "
        "from range(50_000) as r(i)"
    )
    found = query(client, sql)
    assert pa.types.is_dictionary(found.schema.field("e").type)
    assert found.column("e").slice(0, 3).to_pylist() == ["u", "v", "u"]
    assert found.column("s")[49_999].as_py() == {"x": 49_999, "m": [("k", 49_999)]}


def test_messages_stay_small(client: Client) -> None:
    info = client.get_flight_info(
        descriptor(messages.CommandStatementQuery("select repeat('x', 10_000) as s from range(3000)"))
    )
    sizes = [chunk.data.nbytes for chunk in client.do_get(info.endpoints[0].ticket)]
    assert len(sizes) > 10
    assert max(sizes) <= 2 << 20


def test_the_actions_are_listed(client: Client) -> None:
    listed = {kind.type for kind in client.list_actions()}
    assert {"CreatePreparedStatement", "BeginTransaction", "CancelFlightInfo", "SetSessionOptions"} <= listed
