"""The attempts of `tests/engine/access/escapes.txt` over the wire, with a token of each role, and this door's own."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, TypeAlias

import pyarrow as pa
import pytest
from pyarrow import flight as arrow_flight

from engine.access.door import Lock
from engine.errors import parse
from flight import codec, messages
from flight.server import Server, serve
from tests.engine.access.escaping import NAMES, ROLES, Ask, House, Outcome, answered, attempts, betrays, tried
from tests.flight.door import descriptor

Client: TypeAlias = Any  # pyarrow has no types
Options: TypeAlias = Callable[[str], Any]  # of a call, by role
Refusal = (pa.ArrowException, arrow_flight.FlightError, OSError, KeyError)
PORTION = 8  # every so many attempts are made here; in process all are
ATTEMPTS = list(attempts())
SECTIONS = list(dict.fromkeys(attempt.section for attempt in ATTEMPTS))
PLACES = ("control", "__ducklake_metadata_primary", "__as_whole_1", "lakehouse", 'x",control')
METADATA = (
    messages.CommandGetCatalogs(),
    messages.CommandGetDbSchemas(),
    messages.CommandGetTables(include_schema=True),
    messages.CommandGetTables(None, "%", "%", (), True),
    messages.CommandGetTables("control"),
    messages.CommandGetTables(None, None, "payrol_", (), True),
    messages.CommandGetPrimaryKeys(None, None, "payroll"),
    messages.CommandGetPrimaryKeys("control", "main", "profile"),
    messages.CommandGetImportedKeys(None, None, "payroll"),
    messages.CommandGetExportedKeys(None, None, "payroll"),
    messages.CommandGetCrossReference(None, None, "payroll", None, None, "open"),
)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    house = House(tmp_path_factory.mktemp("escapes"))
    yield house
    house.close()


@pytest.fixture(scope="module")
def server(house: House) -> Iterator[Server]:
    server = serve(house.lake, lock=Lock(open=False))
    yield server
    server.shutdown(1)


@pytest.fixture(scope="module")
def headers(house: House) -> dict[str, list[tuple[bytes, bytes]]]:
    """What each role sends: its token."""
    owner = house.lake.session()
    made = {role: owner.run("select token from create_token(?)", [role]).rows()[0]["token"] for role in ROLES}
    owner.close()
    return {role: [(b"authorization", f"Bearer {token}".encode())] for role, token in made.items()}


@pytest.fixture
def options(headers: dict[str, list[tuple[bytes, bytes]]]) -> Options:
    return lambda role: arrow_flight.FlightCallOptions(headers=headers[role])


def outcome(call: Callable[[], object]) -> Outcome:
    """What came of a call: its rows, or its error by the code in the text."""
    try:
        found = call()
    except Refusal as error:
        fault = parse(str(error))
        if fault is None or "Traceback" in str(error):
            raise
        return Outcome(fault.code, str(fault))
    return answered(found) if isinstance(found, pa.Table) else Outcome("ok", str(found))


def rows(client: Client, sql: str, options: object) -> object:
    info = client.get_flight_info(descriptor(messages.CommandStatementQuery(sql)), options)
    return client.do_get(info.endpoints[0].ticket, options).read_all() if info.endpoints else None


def put(client: Client, command: object, schema: pa.Schema, options: object, data: pa.Table | None = None) -> bytes:
    writer, reader = client.do_put(descriptor(command), schema, options)
    if data is not None:
        writer.write_table(data)
    writer.done_writing()
    answer = reader.read()
    writer.close()  # raises what the server has refused
    return bytes(answer.to_pybytes())


def act(client: Client, kind: str, message: object, options: object) -> list[bytes]:
    return [one.body.to_pybytes() for one in client.do_action((kind, codec.encode(message)), options)]


@pytest.fixture
def ask(client: Client, options: Options) -> Ask:
    """Asks in a session of its own."""

    def over_the_wire(role: str, sql: str) -> Outcome:
        found = outcome(lambda: rows(client, sql, options(role)))
        list(client.do_action(("CloseSession", b""), options(role)))
        return found

    return over_the_wire


@pytest.mark.parametrize("section", SECTIONS)
def test_nobody_escapes_over_the_wire(house: House, ask: Ask, section: str) -> None:
    before = house.state()
    some = [attempt for attempt in ATTEMPTS if attempt.section == section]
    tries = [tried(house, attempt, ask) for attempt in some[::PORTION]]
    assert not any(tries), "\n".join(filter(None, tries))
    assert house.state() == before, "something was changed"


def other_ways(client: Client, sql: str, options: object) -> Iterator[Callable[[], object]]:
    """What else a client can do with a statement, each told by the service in its own way."""
    nothing = pa.schema([])
    yield lambda: client.get_schema(descriptor(messages.CommandStatementQuery(sql)), options).schema
    yield lambda: put(client, messages.CommandStatementUpdate(sql), nothing, options)
    yield lambda: act(client, "CreatePreparedStatement", messages.ActionCreatePreparedStatementRequest(sql), options)


def test_nobody_escapes_by_the_other_ways_of_a_statement(house: House, client: Client, options: Options) -> None:
    """Described, prepared or sent as an update, an attempt tells and changes as little."""
    before = house.state()
    for attempt in ATTEMPTS[:: PORTION * 4]:
        sql = house.text(attempt)
        for call in other_ways(client, sql, options(attempt.role)):
            found = outcome(call)
            wrong = betrays(house, attempt.role, sql, found.told) or house.touched()
            assert not wrong, f"{attempt.line} {sql}: {wrong}\n{found.told}"
        list(client.do_action(("CloseSession", b""), options(attempt.role)))
    assert house.state() == before, "something was changed"


@pytest.mark.parametrize("role", [role for role in ROLES if role in NAMES])
@pytest.mark.parametrize("command", METADATA, ids=lambda command: type(command).__name__)
def test_metadata_tell_nothing_that_is_hidden(
    house: House, client: Client, options: Options, role: str, command: object
) -> None:
    info = client.get_flight_info(descriptor(command), options(role))
    found = answered(client.do_get(info.endpoints[0].ticket, options(role)).read_all())
    schemas = found.told.encode().decode("unicode_escape", "replace")
    assert not betrays(house, role, "", found.told + schemas)


@pytest.mark.parametrize(
    ("role", "table", "place", "code"),
    [
        ("reader", "open", {}, "FORBIDDEN"),
        ("contributor", "mine", {"schema": "drafts"}, "FORBIDDEN"),
        ("reader", "mine", {"temporary": True}, "FORBIDDEN"),
        ("editor", "payroll", {}, "FORBIDDEN"),
        ("editor", "new", {}, "FORBIDDEN"),
        ("editor", "drafts.new", {}, "FORBIDDEN"),
        ("editor", "safe", {"schema": "vault"}, "FORBIDDEN"),
        ("editor", "profile", {"catalog": "control", "schema": "main"}, "NOT_FOUND"),
        ("editor", "x", {"catalog": "__ducklake_metadata_primary", "schema": "main"}, "NOT_FOUND"),
        ("editor", "ledger", {"schema": "lakehouse"}, "FORBIDDEN"),
        ("editor", "journal", {"catalog": "lake", "schema": "main"}, "FORBIDDEN"),
        ("partial", "staff", {}, "FORBIDDEN"),
        ("whole", "profile", {"catalog": "control", "schema": "main"}, "NOT_FOUND"),
        ("whole", "ledger", {"schema": "lakehouse"}, "FORBIDDEN"),
        ("whole", "x", {"catalog": "temp", "schema": "main"}, "FORBIDDEN"),
        ("admin", "profile", {"catalog": "control", "schema": "main"}, "NOT_FOUND"),
        ("admin", "ledger", {"schema": "lakehouse"}, "FORBIDDEN"),
        ("admin", "matrix_search", {"catalog": "fn", "schema": "main"}, "FORBIDDEN"),
    ],
)
def test_a_bulk_load_goes_where_it_may(
    house: House, client: Client, options: Options, role: str, table: str, place: dict[str, Any], code: str
) -> None:
    before, data = house.state(), pa.table({"a": [1]})
    for if_exists in (messages.IfExists.APPEND, messages.IfExists.REPLACE):
        mode = messages.TableDefinitionOptions(messages.IfMissing.CREATE, if_exists)
        command = messages.CommandStatementIngest(mode, table, **place)
        found = outcome(partial(put, client, command, data.schema, options(role), data))
        assert found.code == code, found.told
    assert house.state() == before, "something was changed"


def test_what_one_session_holds_is_not_there_for_another(client: Client, options: Options) -> None:
    info = client.get_flight_info(descriptor(messages.CommandStatementQuery("from payroll")), options("whole"))
    ticket = info.endpoints[0].ticket
    prepare = messages.ActionCreatePreparedStatementRequest("select * from payroll where a > ?")
    prepared = codec.decode(act(client, "CreatePreparedStatement", prepare, options("whole"))[0])
    begun = codec.decode(act(client, "BeginTransaction", messages.ActionBeginTransactionRequest(), options("whole"))[0])
    assert isinstance(prepared, messages.ActionCreatePreparedStatementResult)
    assert isinstance(begun, messages.ActionBeginTransactionResult)
    handle, transaction = prepared.prepared_statement_handle, begun.transaction_id
    use = messages.CommandPreparedStatementQuery(handle)
    for call in (
        lambda: client.do_get(ticket, options("reader")).read_all(),
        lambda: client.get_flight_info(descriptor(use), options("reader")),
        lambda: client.get_schema(descriptor(use), options("reader")),
        lambda: put(client, use, pa.schema([("a", pa.int64())]), options("reader"), pa.table({"a": [0]})),
        lambda: act(
            client, "ClosePreparedStatement", messages.ActionClosePreparedStatementRequest(handle), options("editor")
        ),
        lambda: act(
            client, "EndTransaction",
            messages.ActionEndTransactionRequest(transaction, messages.Ending.COMMIT), options("editor"),
        ),
        lambda: client.get_flight_info(
            descriptor(messages.CommandStatementQuery("select 1", transaction)), options("editor")
        ),
    ):  # fmt: skip
        assert outcome(call).code == "NOT_FOUND"
    assert client.do_get(ticket, options("whole")).read_all().num_rows == 1
    end = messages.ActionEndTransactionRequest(transaction, messages.Ending.ROLLBACK)
    act(client, "EndTransaction", end, options("whole"))


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("value", PLACES)
@pytest.mark.parametrize("name", ["catalog", "schema"])
def test_session_options_lead_nowhere_else(client: Client, options: Options, role: str, name: str, value: str) -> None:
    body = codec.serialize_options({name: value})
    answer = [one.body.to_pybytes() for one in client.do_action(("SetSessionOptions", body), options(role))]
    told = [one.body.to_pybytes() for one in client.do_action(("GetSessionOptions", b""), options(role))]
    if (role, name, value) == ("admin", "schema", "lakehouse"):
        assert answer == [b""]  # an admin reads the ledger; nobody writes it
    else:
        assert answer != [b""]
        assert codec.parse_options(told[0]) == {"catalog": "primary", "schema": "main"}
    list(client.do_action(("CloseSession", b""), options(role)))
