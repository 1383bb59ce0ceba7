"""Flight SQL without a transport: one method per command, over the caller's session.

A statement that only reads is described in GetFlightInfo and runs when its rows are fetched. One that acts and returns
rows starts in GetFlightInfo, runs once and is kept for its ticket; the answer waits for it half a second at most. The
same goes for a PIVOT, whose columns only its rows tell.

A statement without rows runs once, in DoPut or in GetFlightInfo, and both wait for its end. For GetFlightInfo that is a
choice: stock ADBC sends `cursor.execute('create table …')` so, and an earlier answer would have to be a stream that
nobody reads, so that the error would be lost and the next statement could overtake it. Clients that need an answer in
time have one all the same: they tell such statements apart (`is_update`) and send them with DoPut, and cancelling or
hanging up stops the statement in either.
"""

import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import pyarrow as pa

from engine.errors import Busy, Invalid, LakehouseError, TimedOut
from engine.session import Description, Session
from flight import messages, prepared, sqlinfo
from flight.caller import Caller
from flight.errors import Unsupported
from flight.messages import CancelStatus, OptionError, OptionValue
from flight.metadata import Metadata, lowered
from flight.prepared import Prepared
from flight.registry import Registry
from flight.results import Acting, Reading, Rows, Statement, fresh_id
from flight.streams import MESSAGE_BYTES
from flight.transactions import Transactions

LoadMode = Literal["create", "append", "replace", "create_append"]
LOAD_MODES: dict[tuple[int, int], LoadMode] = {
    (messages.IfMissing.CREATE, messages.IfExists.FAIL): "create",
    (messages.IfMissing.FAIL, messages.IfExists.APPEND): "append",
    (messages.IfMissing.CREATE, messages.IfExists.REPLACE): "replace",
    (messages.IfMissing.CREATE, messages.IfExists.APPEND): "create_append",
}
SESSION_OPTIONS = ("catalog", "schema")


@dataclass(frozen=True)
class Limits:
    """Bounds of the service: counts, seconds and bytes."""

    results: int = 10_000
    prepared: int = 1000
    transactions: int = 1000
    ticket_seconds: float = 300.0
    transaction_idle_seconds: float = 300.0
    prepared_seconds: float = 3600.0
    session_seconds: float = 1800.0
    sessions: int = 1000
    wait_seconds: float = 0.5
    request_bytes: int = 64 << 20
    message_bytes: int = MESSAGE_BYTES


@dataclass(frozen=True)
class Info:
    """The answer to GetFlightInfo. `schema` None: the stream tells. `ticket` None: there are no rows to fetch."""

    schema: pa.Schema | None
    ticket: bytes | None
    records: int = -1
    expires: float | None = None


@dataclass
class Service:
    """The commands and actions of Flight SQL. All methods raise LakehouseError only."""

    limits: Limits = field(default_factory=Limits)
    version: str = "0"
    clock: Callable[[], float] = time.time

    def __post_init__(self) -> None:
        """Nothing is open yet."""
        limits = self.limits
        self._results: Registry[Reading | Acting] = Registry(
            "results", limits.results, limits.ticket_seconds, self.clock
        )
        self._prepared: Registry[Prepared] = Registry(
            "prepared statements", limits.prepared, limits.prepared_seconds, self.clock
        )
        self._transactions = Transactions(limits.transactions, limits.transaction_idle_seconds, self.clock)
        kept_ms, idle_ms = int(limits.prepared_seconds * 1000), int(limits.transaction_idle_seconds * 1000)
        self.metadata = Metadata(sqlinfo.rows(self.version, kept_ms, idle_ms))
        self._draining = threading.Event()

    # -- statements --------------------------------------------------------------------------------------------------

    def query(self, caller: Caller, command: messages.CommandStatementQuery) -> Info:
        """GetFlightInfo of a statement."""
        self._admit()
        session, transaction = self._transactions.find(caller.session, command.transaction_id)
        return self._plan(caller, Statement(session, command.query, transaction))

    def prepared_query(self, caller: Caller, command: messages.CommandPreparedStatementQuery) -> Info:
        """GetFlightInfo of a prepared statement, with what was bound to it."""
        self._admit()
        found = self._use(caller, command.prepared_statement_handle)
        session, transaction = self._transactions.find_or_current(caller.session, found.transaction_id)
        bound = found.bound
        if bound is None:
            return self._plan(caller, Statement(session, found.sql, transaction))
        if not found.description.is_query:
            count = self._update_many(caller, Statement(session, found.sql, transaction), bound)
            return Info(pa.schema([]), None, count)
        params = prepared.values(bound, found.description.parameters.names)
        # What is bound may decide the types, and the schema must not differ from that of the stream: it tells.
        unknown = replace(found.description, schema=None)
        return self._planned(caller, Statement(session, found.sql, transaction, params), unknown)

    def _plan(self, caller: Caller, statement: Statement) -> Info:
        described = statement.session.describe(statement.sql, transaction=statement.transaction, pivots=False)
        if described.is_query and len(described.parameters):
            raise Invalid(f"{len(described.parameters)} parameters have no value", "bind a value to each")
        return self._planned(caller, statement, described)

    def _planned(self, caller: Caller, statement: Statement, described: Description) -> Info:
        if not described.is_query:
            return Info(pa.schema([]), None, self._update(caller, statement))
        if described.effect == "reads" and (described.schema is not None or statement.params != (None,)):
            return Info(described.schema, self._results.add(Reading(statement, described.schema)))
        acting = Acting(statement)
        handle = self._results.add(acting)
        spool = acting.wait(caller, self.limits.wait_seconds)
        if spool is None:
            return Info(described.schema, handle)
        return Info(spool.schema, handle, spool.rows, self._results.renew(handle, caller.session))

    def schema(self, caller: Caller, command: object) -> pa.Schema:
        """GetSchema of a statement, a prepared statement or a metadata command. Nothing runs."""
        self._admit()
        match command:
            case messages.CommandStatementQuery():
                session, transaction = self._transactions.find(caller.session, command.transaction_id)
                return self._described(caller, Statement(session, command.query, transaction)).schema or pa.schema([])
            case messages.CommandPreparedStatementQuery():
                found = self._prepared.get(command.prepared_statement_handle, caller.session)
                session, transaction = self._transactions.find_or_current(caller.session, found.transaction_id)
                return self._described(caller, Statement(session, found.sql, transaction)).schema or pa.schema([])
            case _ if messages.is_metadata(command):
                return self.metadata.schema(command)
        raise Unsupported(f"{type(command).__name__} has no schema", "send a query")

    def _described(self, caller: Caller, statement: Statement) -> Description:
        with caller.watch(statement.cancel):
            return statement.session.describe(
                statement.sql, transaction=statement.transaction, statement_id=statement.statement_id
            )

    def rows(self, caller: Caller, ticket: messages.TicketStatementQuery) -> Rows:
        """DoGet of a statement."""
        return self._results.get(ticket.statement_handle, caller.session).rows(caller)

    def answer(self, caller: Caller, command: messages.MetadataCommand, *, lower_types: bool = False) -> Rows:
        """DoGet of a metadata command (its ticket is the command itself). `lower_types`: `table`, not `TABLE`."""
        self._admit()
        # The protocol gives it no transaction, but a client expects to see what it has just created.
        table = self.metadata.answer(caller.session, self._transactions.current(caller.session), command)
        if lower_types:
            table = lowered(table)
        return Rows(table.schema, iter(table.to_batches()))

    def update(self, caller: Caller, command: messages.CommandStatementUpdate) -> int:
        """DoPut of a statement: run it once and return the rows affected, -1 when it is not known."""
        self._admit()
        session, transaction = self._transactions.find(caller.session, command.transaction_id)
        return self._update(caller, Statement(session, command.query, transaction))

    def prepared_update(
        self, caller: Caller, command: messages.CommandPreparedStatementUpdate, bound: pa.Table | None
    ) -> int:
        """DoPut of a prepared statement: run it once for each row of `bound`, or once when it has no columns."""
        self._admit()
        found = self._use(caller, command.prepared_statement_handle)
        session, transaction = self._transactions.find_or_current(caller.session, found.transaction_id)
        statement = Statement(session, found.sql, transaction)
        if bound is None:
            return self._update(caller, statement)
        if found.description.is_query:
            params = prepared.values(bound, found.description.parameters.names)
            return self._update(caller, Statement(session, found.sql, transaction, params))
        return self._update_many(caller, statement, bound)

    def _update(self, caller: Caller, statement: Statement) -> int:
        affected = -1
        for params in statement.params:
            with caller.watch(statement.cancel):
                result = statement.session.run(
                    statement.sql, params, transaction=statement.transaction, statement_id=statement.statement_id
                )
                for _ in result.batches():
                    pass
                affected = -1 if result.rows_affected is None else result.rows_affected
        return affected

    def _update_many(self, caller: Caller, statement: Statement, bound: pa.Table) -> int:
        with caller.watch(statement.cancel):
            return statement.session.run_many(
                statement.sql, bound, transaction=statement.transaction, statement_id=statement.statement_id
            )

    def ingest(self, caller: Caller, command: messages.CommandStatementIngest, reader: pa.RecordBatchReader) -> int:
        """DoPut of a bulk load; returns the rows written."""
        self._admit()
        options = command.table_definition_options or messages.TableDefinitionOptions()
        mode = LOAD_MODES.get((options.if_not_exist, options.if_exists))
        if mode is None:
            raise Invalid("the load mode is not one of create, append, replace, create_append", "name one of them")
        session, transaction = self._transactions.find(caller.session, command.transaction_id)
        # ADBC names no transaction here, also when one is open.
        transaction = transaction or self._transactions.current(session)
        statement_id = fresh_id()
        with caller.watch(lambda: session.cancel(statement_id)):
            return session.load(
                pa.RecordBatchReader.from_batches(reader.schema, _whole(caller, reader)),
                command.table,
                mode=mode,
                catalog=command.catalog,
                schema=command.schema,
                temporary=command.temporary,
                transaction=transaction,
                statement_id=statement_id,
            )

    # -- actions -----------------------------------------------------------------------------------------------------

    def prepare(
        self, caller: Caller, request: messages.ActionCreatePreparedStatementRequest
    ) -> messages.ActionCreatePreparedStatementResult:
        """Prepare a statement. Nothing runs."""
        self._admit()
        session, transaction = self._transactions.find(caller.session, request.transaction_id)
        described = self._described(caller, Statement(session, request.query, transaction))
        if caller.gone():  # its handle would reach nobody, and so be closed by nobody
            raise TimedOut("the client broke off the request", "repeat it")
        entry = Prepared(caller.session, request.query, request.transaction_id, described)
        schema = described.schema if described.is_query else None
        return messages.ActionCreatePreparedStatementResult(
            self._prepared.add(entry),
            b"" if schema is None else schema.serialize().to_pybytes(),
            described.parameters.serialize().to_pybytes(),
            not described.is_query,
        )

    def bind(
        self, caller: Caller, command: messages.CommandPreparedStatementQuery, bound: pa.Table | None
    ) -> messages.DoPutPreparedStatementResult:
        """DoPut of parameter rows for the next `prepared_query`."""
        self._admit()
        self._use(caller, command.prepared_statement_handle).bound = bound
        return messages.DoPutPreparedStatementResult(command.prepared_statement_handle)

    def _use(self, caller: Caller, handle: bytes) -> Prepared:
        found = self._prepared.get(handle, caller.session)
        found.used = True
        return found

    def close_prepared(self, caller: Caller, request: messages.ActionClosePreparedStatementRequest) -> None:
        """Forget a prepared statement."""
        self._prepared.remove(request.prepared_statement_handle, caller.session)

    def begin(self, caller: Caller) -> messages.ActionBeginTransactionResult:
        """Begin a transaction."""
        self._admit()
        return messages.ActionBeginTransactionResult(self._transactions.begin(caller.session).encode())

    def end(self, caller: Caller, request: messages.ActionEndTransactionRequest) -> None:
        """Commit or roll back a transaction."""
        self._transactions.end(caller.session, request.transaction_id, request.action)

    def cancel(self, caller: Caller, tickets: Sequence[messages.TicketStatementQuery]) -> CancelStatus:
        """Cancel the statements of some tickets; their rows can not be fetched any more."""
        for ticket in tickets:
            self._results.get(ticket.statement_handle, caller.session).cancel()
            self._results.remove(ticket.statement_handle, caller.session)
        return CancelStatus.CANCELLED if tickets else CancelStatus.NOT_CANCELLABLE

    def renew(self, caller: Caller, ticket: messages.TicketStatementQuery) -> float:
        """Keep the rows of a ticket for longer; returns until when, in seconds since the epoch."""
        return self._results.renew(ticket.statement_handle, caller.session)

    def set_options(self, caller: Caller, options: Mapping[str, OptionValue]) -> dict[str, OptionError]:
        """Set `catalog` and `schema` of the session; returns those that could not be set."""
        errors: dict[str, OptionError] = {}
        for name, value in sorted(options.items()):  # `catalog` resets the schema, so that it goes first
            if name not in SESSION_OPTIONS:
                errors[name] = OptionError.INVALID_NAME
            elif not isinstance(value, str):
                errors[name] = OptionError.INVALID_VALUE
            else:
                try:
                    caller.session.set_option(name, value)
                except LakehouseError:
                    errors[name] = OptionError.INVALID_VALUE
        return errors

    def options(self, caller: Caller) -> dict[str, str]:
        """The options of the session."""
        found = {name: caller.session.option(name) for name in SESSION_OPTIONS}
        return {name: value for name, value in found.items() if value is not None}

    # -- life --------------------------------------------------------------------------------------------------------

    def drain(self) -> None:
        """From now on refuse new statements; what runs may end, and its rows may be fetched."""
        self._draining.set()

    def wait(self, until: float) -> None:
        """Wait for the statements that no call waits for, until `until` (monotonic seconds)."""
        for entry in self._results.busy():
            if isinstance(entry, Acting):
                entry.join(until)

    def sweep(self, busy: Collection[Session] = ()) -> None:
        """Drop what is too old, and roll back the transactions that were left open; not those of `busy` sessions."""
        self._results.sweep()
        self._prepared.sweep()
        self._transactions.sweep({*busy, *(entry.session for entry in self._results.busy())})

    def forget(self, session: Session | None = None) -> None:
        """Drop everything of a session that was closed, or everything."""
        self._results.forget(session)
        self._prepared.forget(session)
        self._transactions.forget(session)

    def _admit(self) -> None:
        if self._draining.is_set():
            raise Busy("the server is shutting down", "connect again later")


def _whole(caller: Caller, reader: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
    """The batches of a client's stream. Raises TimedOut when it was broken off: that looks like its end to Arrow."""
    yield from reader
    if caller.gone():
        raise TimedOut("the client broke off the load, nothing was written", "repeat it")
