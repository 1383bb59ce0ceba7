"""Every command and action of Flight SQL, each really sent to a server with pyarrow's client.

A step is what is sent and by which call; a refusal is an answer as well. The steps build on each other.
"""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeAlias

import pyarrow as pa
from pyarrow import flight as arrow_flight

from flight import codec, messages
from flight.messages import Ending, IfExists, IfMissing
from tests.flight.door import descriptor

Client: TypeAlias = Any  # pyarrow has no types
Step: TypeAlias = tuple[str, str, str, Callable[[], str]]  # the message, what it asks, the calls, to send it
SQL = b"type.googleapis.com/arrow.flight.protocol.sql."
PEOPLE = pa.table({"id": pa.array([3, 4], pa.int32()), "name": ["cay", "dan"]})
MODES = {
    "create": (IfMissing.CREATE, IfExists.FAIL),
    "append": (IfMissing.FAIL, IfExists.APPEND),
    "replace": (IfMissing.CREATE, IfExists.REPLACE),
    "create or append": (IfMissing.CREATE, IfExists.APPEND),
}
PLAN = "GetFlightInfo"
READ = "GetFlightInfo, DoGet"
QUERY, UPDATE = "CommandStatementQuery", "CommandStatementUpdate"
PREPARED_QUERY, PREPARED_UPDATE = "CommandPreparedStatementQuery", "CommandPreparedStatementUpdate"


def raw(name: str) -> bytes:
    """An `Any` with an empty message of that name: for those that the server has no class for."""
    full = SQL + name.encode()
    return b"\x0a" + bytes([len(full)]) + full


def counted(rows: int) -> str:
    return f"{rows} row" if rows == 1 else f"{rows} rows"


@dataclass
class Walk:
    """One client on its way; what a step got, a later one uses."""

    client: Client
    handles: dict[str, bytes] = field(default_factory=dict)

    def parts(self) -> Iterator[tuple[str, Iterator[Step]]]:
        """The steps in their order, by the part of the protocol that they belong to."""
        yield "Statements", self.statements()
        yield "Prepared statements", self.prepared()
        yield "Bulk loads", self.loads()
        yield "Transactions", self.transactions()
        yield "Results that are kept", self.results()
        yield "Metadata", self.metadata()
        yield "Sessions", self.sessions()
        yield "Substrait", self.substrait()
        yield "The other calls of Arrow Flight", self.others()

    # -- calls ---------------------------------------------------------------------------------------------------------

    def info(self, command: object) -> Any:
        return self.client.get_flight_info(descriptor(command))

    def table(self, command: object) -> pa.Table:
        return self.client.do_get(self.info(command).endpoints[0].ticket).read_all()

    def rows(self, command: object) -> str:
        return "; ".join(" ".join(str(value) for value in row.values()) for row in self.table(command).to_pylist())

    def query(self, sql: str, transaction: bytes | None = None) -> str:
        return self.rows(messages.CommandStatementQuery(sql, transaction))

    def planned(self, sql: str) -> str:
        info = self.info(messages.CommandStatementQuery(sql))
        return f"it has run; {len(info.endpoints)} endpoints, {counted(info.total_records)} changed"

    def schema(self, command: object) -> str:
        return ", ".join(f"{one.name} {one.type}" for one in self.client.get_schema(descriptor(command)).schema)

    def put(self, command: object, data: pa.Table | None = None) -> bytes:
        writer, reader = self.client.do_put(descriptor(command), pa.schema([]) if data is None else data.schema)
        if data is not None:
            writer.write_table(data)
        writer.done_writing()
        answer = reader.read()
        writer.close()  # raises what the server has refused
        return bytes(answer.to_pybytes())

    def changed(self, command: object, data: pa.Table | None = None) -> str:
        count = codec.parse(messages.DoPutUpdateResult, self.put(command, data)).record_count
        return f"{counted(count)} changed" if count >= 0 else "-1 rows, which is: not known"

    def update(self, sql: str, transaction: bytes | None = None) -> str:
        return self.changed(messages.CommandStatementUpdate(sql, transaction))

    def act(self, kind: str, body: bytes = b"") -> list[bytes]:
        return [one.body.to_pybytes() for one in self.client.do_action(arrow_flight.Action(kind, body))]

    def action(self, kind: str, message: object) -> Any:
        answers = self.act(kind, codec.encode(message))
        return codec.decode(answers[0]) if answers else None

    # -- statements ----------------------------------------------------------------------------------------------------

    def statements(self) -> Iterator[Step]:
        made = "create table people as select 1 as id, 'ada' as name"
        answer = messages.CommandStatementQuery("select 42 as answer")
        yield QUERY, "rows", READ, partial(self.rows, answer)
        yield QUERY, "its columns", "GetSchema", partial(self.schema, answer)
        yield QUERY, "a statement without rows", PLAN, partial(self.planned, made)
        yield QUERY, "a function that acts", READ, partial(self.query, "select n from act()")
        yield QUERY, "a text that is not SQL", PLAN, partial(self.query, "selec 1")
        yield QUERY, "a table that is not there", PLAN, partial(self.query, "from no_such_table")
        yield QUERY, "a statement that is not served", PLAN, partial(self.query, "checkpoint")
        yield QUERY, "two statements", PLAN, partial(self.query, "select 1; select 2")
        yield QUERY, "a parameter without a value", PLAN, partial(self.query, "select ?")
        yield QUERY, "an error in the rows", READ, partial(self.query, "select 'x'::integer from range(3)")
        yield UPDATE, "", "DoPut", partial(self.update, "insert into people values (2, 'bob')")
        yield UPDATE, "a statement that returns rows", "DoPut", partial(self.update, "from people")

    def prepare(self, sql: str, key: str) -> str:
        made = self.action("CreatePreparedStatement", messages.ActionCreatePreparedStatementRequest(sql))
        self.handles[key] = made.prepared_statement_handle
        told = []
        for what, data in (("columns", made.dataset_schema), ("parameters", made.parameter_schema)):
            schema = pa.ipc.read_schema(pa.py_buffer(data)) if data else ()
            told.append(f"{what} {', '.join(f'{one.name} {one.type}' for one in schema) or 'none'}")
        return f"{'; '.join(told)}; is_update {str(made.is_update).lower()}"

    def bind(self, *values: int) -> str:
        command = messages.CommandPreparedStatementQuery(self.handles["query"])
        answer = self.put(command, pa.table({"1": pa.array(values, pa.int32())}))
        same = codec.parse(messages.DoPutPreparedStatementResult, answer).prepared_statement_handle
        return "the same handle" if same == self.handles["query"] else "another handle"

    def ask_prepared(self, *values: int) -> str:
        if values:
            self.bind(*values)
        return self.rows(messages.CommandPreparedStatementQuery(self.handles["query"]))

    def run_prepared(self) -> str:
        values = pa.table({"1": pa.array([5, 6], pa.int32()), "2": ["eve", "fay"]})
        return self.changed(messages.CommandPreparedStatementUpdate(self.handles["update"]), values)

    def close_prepared(self) -> str:
        request = messages.ActionClosePreparedStatementRequest(self.handles["query"])
        return str(self.action("ClosePreparedStatement", request) or "")

    def prepared(self) -> Iterator[Step]:
        create, select = "CreatePreparedStatement", "select name from people where id = ? order by name"
        yield create, "a query", "DoAction", partial(self.prepare, select, "query")
        yield create, "an update", "DoAction", partial(self.prepare, "insert into people values (?, ?)", "update")
        yield create, "a text that is not SQL", "DoAction", partial(self.prepare, "selec ?", "none")
        yield PREPARED_QUERY, "before a value is bound", PLAN, self.ask_prepared
        yield PREPARED_QUERY, "bind values", "DoPut", partial(self.bind, 2)
        yield PREPARED_QUERY, "with what was bound", READ, self.ask_prepared
        command = messages.CommandPreparedStatementQuery(self.handles["query"])
        yield PREPARED_QUERY, "its columns", "GetSchema", partial(self.schema, command)
        yield PREPARED_QUERY, "with two rows of values", "DoPut, GetFlightInfo, DoGet", partial(self.ask_prepared, 1, 2)
        yield PREPARED_UPDATE, "with two rows of values", "DoPut", self.run_prepared
        yield "ClosePreparedStatement", "", "DoAction", self.close_prepared
        yield PREPARED_QUERY, "after it was closed", PLAN, self.ask_prepared

    # -- loads and transactions ----------------------------------------------------------------------------------------

    def load(self, mode: str, table: str = "loaded", **more: Any) -> str:
        options = messages.TableDefinitionOptions(*MODES.get(mode, (0, 0)))
        return self.changed(messages.CommandStatementIngest(options, table, **more), PEOPLE)

    def loads(self) -> Iterator[Step]:
        name = "CommandStatementIngest"
        for mode in MODES:
            yield name, mode, "DoPut", partial(self.load, mode)
        yield name, "create what is there", "DoPut", partial(self.load, "create")
        yield name, "append to what is not there", "DoPut", partial(self.load, "append", "missing")
        place = {"catalog": "primary", "schema": "main"}
        yield name, "with catalog and schema", "DoPut", partial(self.load, "append", **place)
        yield name, "into a place of the lake's own", "DoPut", partial(self.load, "append", catalog="lake")
        yield name, "temporary", "DoPut", partial(self.load, "create", "mine", temporary=True)
        yield name, "temporary, with a schema", "DoPut", partial(self.load, "create", temporary=True, schema="main")
        yield name, "in a transaction", "DoPut", self.load_and_forget
        yield name, "options, which are not read", "DoPut", partial(self.load, "append", options={"x": "y"})
        yield name, "no mode", "DoPut", partial(self.load, "")

    def load_and_forget(self) -> str:
        transaction, seen = self.begin(), "select count(*) from loaded"
        before = self.query(seen)
        self.load("append", transaction_id=transaction)
        self.end(transaction, Ending.ROLLBACK)
        return "rolled back" if self.query(seen) == before else "kept"

    def begin(self) -> bytes:
        begun: bytes = self.action("BeginTransaction", messages.ActionBeginTransactionRequest()).transaction_id
        return begun

    def end(self, transaction: bytes, how: int) -> str:
        return str(self.action("EndTransaction", messages.ActionEndTransactionRequest(transaction, how)) or "")

    def within(self, how: Ending) -> str:
        """Insert a row in a transaction and end it: how many such rows there are in it, and afterwards."""
        transaction, seen = self.begin(), "select count(*) from people where id = 9"
        self.update("insert into people values (9, 'gus')", transaction)
        inside = self.query(seen, transaction)
        self.end(transaction, how)
        return f"{inside} row inside, {self.query(seen)} afterwards"

    def neither(self) -> str:
        transaction = self.begin()
        try:
            return self.end(transaction, Ending.UNSPECIFIED)
        finally:
            self.end(transaction, Ending.ROLLBACK)

    def transactions(self) -> Iterator[Step]:
        end = "EndTransaction"
        yield "BeginTransaction", "", "DoAction", lambda: self.end(self.begin(), Ending.ROLLBACK)
        yield end, "roll back", "DoAction", partial(self.within, Ending.ROLLBACK)
        yield end, "commit", "DoAction", partial(self.within, Ending.COMMIT)
        yield end, "neither of both", "DoAction", self.neither
        yield end, "one that is not open", "DoAction", partial(self.end, b"no such", Ending.COMMIT)
        for kind in ("BeginSavepoint", "EndSavepoint"):
            yield kind, "", "DoAction", partial(self.told, kind, raw(f"Action{kind}Request"))

    def told(self, kind: str, body: bytes = b"") -> str:
        return f"{len(self.act(kind, body))} answers"

    # -- results -------------------------------------------------------------------------------------------------------

    def endpoint(self, sql: str = "select n from act()") -> Any:
        return self.info(messages.CommandStatementQuery(sql)).endpoints[0]

    def cancel(self) -> str:
        info = messages.FlightInfo((messages.FlightEndpoint(messages.Ticket(self.endpoint().ticket.ticket)),))
        answer = self.act("CancelFlightInfo", codec.serialize(messages.CancelFlightInfoRequest(info)))[0]
        return messages.CancelStatus(codec.parse(messages.CancelFlightInfoResult, answer).status).name

    def cancel_query(self) -> str:
        info = self.info(messages.CommandStatementQuery("select n from act()")).serialize()
        answer = self.action("CancelQuery", messages.ActionCancelQueryRequest(info))
        return messages.CancelStatus(answer.result).name

    def cancelled(self) -> str:
        info = self.info(messages.CommandStatementQuery("select 42 as answer"))
        self.action("CancelQuery", messages.ActionCancelQueryRequest(info.serialize()))
        return str(self.client.do_get(info.endpoints[0].ticket).read_all().num_rows)

    def renew(self, endpoint: Any) -> str:
        ticket = messages.FlightEndpoint(messages.Ticket(endpoint.ticket.ticket))
        body = codec.serialize(messages.RenewFlightEndpointRequest(ticket))
        renewed = arrow_flight.FlightEndpoint.deserialize(self.act("RenewFlightEndpoint", body)[0])
        later = renewed.expiration_time.as_py() >= endpoint.expiration_time.as_py()
        return "a later time" if later else "an earlier time"

    def again(self) -> str:
        ticket = self.endpoint().ticket
        first, second = (self.client.do_get(ticket).read_all() for _ in range(2))
        return "the same rows, and it ran once" if first.equals(second) else "other rows"

    def fetch(self, ticket: bytes) -> str:
        return counted(self.client.do_get(arrow_flight.Ticket(ticket)).read_all().num_rows)

    def results(self) -> Iterator[Step]:
        ticket, unknown = "TicketStatementQuery", codec.encode(messages.TicketStatementQuery(b"no such"))
        yield ticket, "twice, of a function that acts", "DoGet", self.again
        yield ticket, "one that was not given", "DoGet", partial(self.fetch, unknown)
        yield ticket, "bytes that are none", "DoGet", partial(self.fetch, b"x")
        yield ticket, "after it was cancelled", "DoGet", self.cancelled
        yield "CancelFlightInfo", "", "DoAction", self.cancel
        yield "CancelQuery", "deprecated by the protocol", "DoAction", self.cancel_query
        yield "RenewFlightEndpoint", "", "DoAction", lambda: self.renew(self.endpoint())
        tables = messages.CommandGetCatalogs()
        yield "RenewFlightEndpoint", "of metadata", "DoAction", lambda: self.renew(self.info(tables).endpoints[0])

    # -- metadata ------------------------------------------------------------------------------------------------------

    def described(self, command: object, *columns: str) -> str:
        """The rows of a metadata command, whose schema is the same by all three calls."""
        info, schema = self.info(command), self.client.get_schema(descriptor(command)).schema
        found = self.client.do_get(info.endpoints[0].ticket).read_all()
        assert info.schema == schema == found.schema, command
        if not columns:
            return counted(found.num_rows)
        return "; ".join(" ".join(str(value) for value in row.values()) for row in found.select(columns).to_pylist())

    def table_schema(self) -> str:
        found = self.table(messages.CommandGetTables(None, None, "people", (), True))
        schema = pa.ipc.read_schema(pa.py_buffer(found.column("table_schema")[0].as_py()))
        kind = b"ARROW:FLIGHT:SQL:TYPE_NAME"
        return ", ".join(f"{one.name} {one.type} ({one.metadata[kind].decode()})" for one in schema)

    def metadata(self) -> Iterator[Step]:
        calls = "GetFlightInfo, GetSchema, DoGet"

        def step(what: str, command: object, *columns: str) -> Step:
            return type(command).__name__, what, calls, partial(self.described, command, *columns)

        yield step("all facts", messages.CommandGetSqlInfo())
        yield step("two of them", messages.CommandGetSqlInfo((0, 8)), "info_name", "value")
        yield step("one that the protocol does not know", messages.CommandGetSqlInfo((9999,)))
        yield step("all types", messages.CommandGetXdbcTypeInfo())
        yield step("one of them", messages.CommandGetXdbcTypeInfo(12), "type_name")
        yield step("", messages.CommandGetCatalogs(), "catalog_name")
        schemas = messages.CommandGetDbSchemas("primary", "m%")
        yield step("by catalog and pattern", schemas, "catalog_name", "db_schema_name")
        tables = messages.CommandGetTables("primary", "%", "peop_e", ("TABLE",))
        yield step("by catalog, patterns and types", tables, "db_schema_name", "table_name", "table_type")
        yield "CommandGetTables", "with their schemas", READ, self.table_schema
        yield step("", messages.CommandGetTableTypes(), "table_type")
        key = (None, None, "people")
        yield step("tables of a bucket have no keys", messages.CommandGetPrimaryKeys(*key))
        yield step("", messages.CommandGetExportedKeys(*key))
        yield step("", messages.CommandGetImportedKeys(*key))
        yield step("", messages.CommandGetCrossReference(*key, *key))

    # -- sessions and the rest -----------------------------------------------------------------------------------------

    def set_option(self, name: str, value: str) -> str:
        answer = self.act("SetSessionOptions", codec.serialize_options({name: value}))[0]
        return "the answer names it as an error" if answer else "it is set"

    def options(self) -> str:
        found = codec.parse_options(self.act("GetSessionOptions")[0])
        return ", ".join(f"{name} {value}" for name, value in sorted(found.items()))

    def close(self) -> str:
        answer = self.act("CloseSession")[0]
        return messages.Closing(codec.parse(messages.CloseSessionResult, answer).status).name

    def sessions(self) -> Iterator[Step]:
        for name, value in (("catalog", "primary"), ("schema", "main"), ("schema", "no_such"), ("x", "y")):
            yield "SetSessionOptions", f"`{name}` = `{value}`", "DoAction", partial(self.set_option, name, value)
        yield "GetSessionOptions", "", "DoAction", self.options
        yield "CloseSession", "", "DoAction", self.close

    def substrait(self) -> Iterator[Step]:
        plan = arrow_flight.FlightDescriptor.for_command(raw("CommandStatementSubstraitPlan"))
        name, create = "CommandStatementSubstraitPlan", "CreatePreparedSubstraitPlan"
        yield name, "", PLAN, lambda: str(self.client.get_flight_info(plan).total_records)
        yield name, "", "GetSchema", lambda: str(self.client.get_schema(plan).schema)
        yield name, "", "DoPut", lambda: self.send(plan)
        yield create, "", "DoAction", partial(self.told, create, raw(f"Action{create}Request"))

    def send(self, where: Any) -> str:
        writer, _ = self.client.do_put(where, pa.schema([]))
        writer.close()
        return "taken"

    def exchange(self) -> str:
        writer, reader = self.client.do_exchange(descriptor(messages.CommandStatementQuery("select 1")))
        writer.done_writing()
        try:
            return str(reader.read_all())
        finally:
            with suppress(pa.ArrowException):  # it says the same again
                writer.close()

    def others(self) -> Iterator[Step]:
        path = arrow_flight.FlightDescriptor.for_path("people")
        strange = arrow_flight.FlightDescriptor.for_command(b"people")
        yield "Handshake", "user and password of a profile", "Handshake", self.login
        yield "ListActions", "", "ListActions", lambda: f"{len(list(self.client.list_actions()))} actions"
        yield "ListFlights", "", "ListFlights", lambda: str(len(list(self.client.list_flights())))
        yield "DoExchange", "", "DoExchange", self.exchange
        yield "a path", "", PLAN, lambda: str(self.client.get_flight_info(path).total_records)
        yield "a command of another protocol", "", PLAN, lambda: str(self.client.get_flight_info(strange).schema)
        yield "an action of another protocol", "", "DoAction", partial(self.told, "HealthCheck")

    def login(self) -> str:
        name, value = self.client.authenticate_basic_token("ann", "correct horse")
        return f"{name.decode()}: {value.decode().split()[0]} …"
