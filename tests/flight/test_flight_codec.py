import pytest
from google.protobuf import descriptor_pool

from engine.errors import Invalid
from flight import codec, messages
from flight.errors import Unsupported

COMMANDS = [
    messages.CommandGetSqlInfo((0, 8)),
    messages.CommandGetXdbcTypeInfo(),
    messages.CommandGetXdbcTypeInfo(0),
    messages.CommandGetCatalogs(),
    messages.CommandGetDbSchemas("c", "%"),
    messages.CommandGetTables("c", None, "t%", ("TABLE", "VIEW"), True),
    messages.CommandGetTableTypes(),
    messages.CommandGetPrimaryKeys("c", "s", "t"),
    messages.CommandGetExportedKeys(None, None, "t"),
    messages.CommandGetImportedKeys(None, "", "t"),
    messages.CommandGetCrossReference("a", "b", "c", "d", "e", "f"),
    messages.CommandStatementQuery("select 1"),
    messages.CommandStatementQuery("select 1", b"\x00\xff"),
    messages.CommandStatementUpdate("drop table ü", b""),
    messages.CommandPreparedStatementQuery(b"h"),
    messages.CommandPreparedStatementUpdate(b"h"),
    messages.CommandStatementIngest(
        messages.TableDefinitionOptions(messages.IfMissing.CREATE, messages.IfExists.APPEND),
        "t", "s", "c", True, b"x", {"a": "b"},
    ),
    messages.TicketStatementQuery(b"h"),
    messages.DoPutUpdateResult(-1),
    messages.DoPutPreparedStatementResult(b"h"),
    messages.ActionCreatePreparedStatementRequest("select ?", None),
    messages.ActionCreatePreparedStatementResult(b"h", b"d", b"p", False),
    messages.ActionClosePreparedStatementRequest(b"h"),
    messages.ActionBeginTransactionRequest(),
    messages.ActionBeginTransactionResult(b"t"),
    messages.ActionEndTransactionRequest(b"t", messages.Ending.ROLLBACK),
    messages.ActionCancelQueryRequest(b"i"),
    messages.ActionCancelQueryResult(messages.CancelStatus.CANCELLED),
]  # fmt: skip
BARE = [
    messages.CancelFlightInfoRequest(messages.FlightInfo((messages.FlightEndpoint(messages.Ticket(b"t")),))),
    messages.CancelFlightInfoRequest(None),
    messages.CancelFlightInfoResult(messages.CancelStatus.NOT_CANCELLABLE),
    messages.RenewFlightEndpointRequest(messages.FlightEndpoint(messages.Ticket(b"t"))),
    messages.CloseSessionResult(messages.Closing.CLOSED),
]


@pytest.mark.parametrize("message", COMMANDS, ids=lambda message: type(message).__name__)
def test_commands_travel_inside_any(message: object) -> None:
    assert codec.decode(codec.encode(message)) == message


@pytest.mark.parametrize("message", BARE, ids=lambda message: type(message).__name__)
def test_session_and_cancel_messages_travel_bare(message: object) -> None:
    assert codec.parse(type(message), codec.serialize(message)) == message


def test_known_bytes() -> None:
    """The bytes that ADBC sends for `select 1`: the numbers of the protocol, not only those of this package."""
    name = b"type.googleapis.com/arrow.flight.protocol.sql.CommandStatementQuery"
    command = b"\x0a\x08select 1"
    wire = b"\x0a" + bytes([len(name)]) + name + b"\x12" + bytes([len(command)]) + command
    assert codec.decode(wire) == messages.CommandStatementQuery("select 1")
    assert codec.encode(messages.CommandStatementQuery("select 1")) == wire


@pytest.mark.parametrize("data", [b"", b"junk", b"\x0a\xff", codec.serialize(messages.Ticket(b"x"))])
def test_other_bytes_are_invalid(data: bytes) -> None:
    with pytest.raises(Invalid) as caught:
        codec.decode(data)
    assert not isinstance(caught.value, Unsupported)


def test_a_message_that_is_not_spoken_is_named() -> None:
    name = b"type.googleapis.com/arrow.flight.protocol.sql.CommandStatementSubstraitPlan"
    with pytest.raises(Unsupported, match="CommandStatementSubstraitPlan"):
        codec.decode(b"\x0a" + bytes([len(name)]) + name)


def test_a_bare_message_is_not_taken_from_an_any() -> None:
    name = b"type.googleapis.com/arrow.flight.protocol.Ticket"
    with pytest.raises(Invalid):
        codec.decode(b"\x0a" + bytes([len(name)]) + name)


def test_the_messages_are_not_in_the_default_pool() -> None:
    codec.encode(messages.CommandGetCatalogs())
    with pytest.raises(KeyError):
        descriptor_pool.Default().FindMessageTypeByName("arrow.flight.protocol.sql.CommandGetCatalogs")


def test_session_options() -> None:
    assert codec.parse_options(codec.serialize_options({"catalog": "a", "schema": ""})) == {
        "catalog": "a",
        "schema": "",
    }
    # bool true, int64 7, double 0.5, list ['a', 'b'] and an unset value, written by hand
    options = {
        b"b": b"\x10\x01",
        b"i": b"\x19\x07" + bytes(7),
        b"d": b"\x21" + bytes(6) + b"\xe0\x3f",
        b"l": b"\x2a\x06\x0a\x01a\x0a\x01b",
        b"n": b"",
    }
    wire = b""
    for name, value in options.items():
        entry = b"\x0a" + bytes([len(name)]) + name + b"\x12" + bytes([len(value)]) + value
        wire += b"\x0a" + bytes([len(entry)]) + entry
    assert codec.parse_options(wire) == {"b": True, "i": 7, "d": 0.5, "l": ["a", "b"], "n": None}
