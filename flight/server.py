"""The Arrow Flight front: bytes to commands, errors to statuses, rows to streams. What is meant is in `service.py`."""

import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from importlib.metadata import version
from typing import Self

import pyarrow as pa
from pyarrow import flight

from engine.access.door import Lock
from engine.errors import Invalid, TimedOut
from engine.session import SessionSource
from flight import auth, codec, messages, replies
from flight.actions import ACTIONS, Actions
from flight.boundary import guarded, outward, untraced
from flight.caller import Caller
from flight.errors import Unsupported
from flight.identity import IDENTITY, Calls, Identities
from flight.service import Limits, Service
from flight.sessions import Sessions
from flight.watch import Watch

STUCK_SECONDS = 5.0
COURTESY_SECONDS = 0.5
ADBC = "ADBC"  # how the names of its drivers begin


class Server(flight.FlightServerBase):  # type: ignore[misc]  # pyarrow has no types
    """A Flight SQL server. It listens from its construction on."""

    def __init__(
        self,
        source: SessionSource,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        limits: Limits | None = None,
        lock: Lock | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Bind `host`:`port` (0 = any free one). Raises Forbidden for a host that others reach, unless it is locked."""
        self._lock = lock or Lock()
        self._lock.check(host)
        self._host = f"[{host}]" if ":" in host.strip("[]") and not host.startswith("[") else host
        self._limits = limits or Limits()
        self._calls = Calls()
        self._service = Service(self._limits, version("lakehouse-sql"), clock)
        self._sessions = Sessions(
            source,
            limit=self._limits.sessions,
            idle_seconds=self._limits.session_seconds,
            clock=clock,
            closed=self._service.forget,
        )
        self._actions = Actions(self._service, self._sessions.close)
        self._watch = Watch(self._sweep)
        super().__init__(
            f"{auth.scheme(self._lock)}://{self._host}:{port}",
            middleware={IDENTITY: Identities(self._calls, source.credentials, self._lock)},
            **auth.arguments(self._lock),
        )

    @property
    def uri(self) -> str:
        """Where clients connect."""
        return f"{'grpc+tls' if self._lock.certificate else 'grpc'}://{self._host}:{self.port}"

    def start(self) -> Self:
        """Start the housekeeping; calls are answered by threads of Arrow."""
        self._watch.start()
        return self

    def shutdown(self, drain_seconds: float = 10.0) -> None:
        """Refuse new statements, let the running ones end for `drain_seconds`, cancel the rest, and stop."""
        deadline = time.monotonic() + drain_seconds
        self._service.drain()
        busy = not self._calls.wait(time.monotonic())
        self._calls.wait(deadline)
        self._service.wait(deadline)
        self._calls.wait(deadline)  # those that waited for a statement still have to send its rows
        if busy:  # a client that has just read its rows still closes its statement and its session
            time.sleep(min(COURTESY_SECONDS, drain_seconds))
        self._watch.cancel_all()
        self._service.forget()
        # Arrow waits for every call without a bound: a statement that cannot be interrupted must not hold the process.
        stopping = threading.Thread(target=super().shutdown, name="flight-stop", daemon=True)
        stopping.start()
        stopping.join(STUCK_SECONDS)
        self._watch.close()
        self._sessions.close_all()

    def _sweep(self) -> None:
        busy = self._watch.sessions()
        self._service.sweep(busy)
        self._sessions.sweep(busy)

    def _caller(self, context: flight.ServerCallContext) -> Caller:
        identity = context.get_middleware(IDENTITY)
        known = identity.known
        profile = known.profile or auth.certified(context.peer_identity())
        session, cookie = self._sessions.of(profile, context.peer(), identity.cookie, known.token_id)
        if cookie is not None:
            context.add_header("set-cookie", cookie)
        return Caller(session, partial(self._watch.call, context, session), context.is_cancelled)

    def _decode(self, data: bytes) -> object:
        if len(data) > self._limits.request_bytes:
            raise Invalid(f"the request is longer than {self._limits.request_bytes} bytes", "load data in bulk")
        return codec.decode(data)

    # -- what Arrow calls --------------------------------------------------------------------------------------------

    @guarded
    def get_flight_info(
        self, context: flight.ServerCallContext, descriptor: flight.FlightDescriptor
    ) -> flight.FlightInfo:
        """Plan a query, or run a statement that returns no rows."""
        command = self._decode(_command(descriptor))
        caller = self._caller(context)
        match command:
            case messages.CommandStatementQuery():
                return replies.flight_info(descriptor, self._service.query(caller, command))
            case messages.CommandPreparedStatementQuery():
                return replies.flight_info(descriptor, self._service.prepared_query(caller, command))
            case _ if messages.is_metadata(command):
                schema = self._service.schema(caller, command)
                return flight.FlightInfo(schema, descriptor, [flight.FlightEndpoint(descriptor.command, [])], -1, -1)
        raise Unsupported(f"{type(command).__name__} is no query", "send it with DoPut")

    def get_schema(self, context: flight.ServerCallContext, descriptor: flight.FlightDescriptor) -> flight.SchemaResult:
        """The columns of a query, without running it."""
        try:
            command = self._decode(_command(descriptor))
            return flight.SchemaResult(self._service.schema(self._caller(context), command))
        except Exception as error:
            failure = untraced(outward(error))
        raise failure

    @guarded
    def do_get(self, context: flight.ServerCallContext, ticket: flight.Ticket) -> flight.FlightDataStream:
        """The rows of a ticket."""
        command = self._decode(ticket.ticket)
        caller = self._caller(context)
        if isinstance(command, messages.TicketStatementQuery):
            return replies.stream(self._service.rows(caller, command), self._limits.message_bytes)
        if messages.is_metadata(command):
            lower = context.get_middleware(IDENTITY).agent.startswith(ADBC)
            answer = self._service.answer(caller, command, lower_types=lower)
            return replies.stream(answer, self._limits.message_bytes)
        raise Unsupported(f"{type(command).__name__} is no ticket", "fetch the ticket that GetFlightInfo gave")

    @guarded
    def do_put(
        self,
        context: flight.ServerCallContext,
        descriptor: flight.FlightDescriptor,
        reader: flight.MetadataRecordBatchReader,
        writer: flight.FlightMetadataWriter,
    ) -> None:
        """Run an update, bind parameters or load a table."""
        command = self._decode(_command(descriptor))
        caller = self._caller(context)
        match command:
            case messages.CommandStatementUpdate():
                reply: object = messages.DoPutUpdateResult(self._service.update(caller, command))
            case messages.CommandPreparedStatementUpdate():
                bound = self._parameters(context, reader)
                reply = messages.DoPutUpdateResult(self._service.prepared_update(caller, command, bound))
            case messages.CommandPreparedStatementQuery():
                reply = self._service.bind(caller, command, self._parameters(context, reader))
            case messages.CommandStatementIngest():
                reply = messages.DoPutUpdateResult(self._service.ingest(caller, command, reader.to_reader()))
            case _:
                raise Unsupported(f"{type(command).__name__} takes no data", "send it with GetFlightInfo")
        writer.write(codec.serialize(reply))

    def _parameters(
        self, context: flight.ServerCallContext, reader: flight.MetadataRecordBatchReader
    ) -> pa.Table | None:
        schema = reader.schema
        batches, size = [], 0
        for chunk in reader:
            size += chunk.data.nbytes
            if size > self._limits.request_bytes:
                raise Invalid(f"the parameters are larger than {self._limits.request_bytes} bytes", "load data in bulk")
            batches.append(chunk.data)
        if context.is_cancelled():  # to Arrow a stream that was broken off looks like one that has ended
            raise TimedOut("the client broke off the request, nothing was run", "repeat it")
        return pa.Table.from_batches(batches, schema) if len(schema) else None

    @guarded
    def do_action(self, context: flight.ServerCallContext, action: flight.Action) -> Iterator[bytes]:
        """Run an action."""
        body = action.body.to_pybytes()
        if len(body) > self._limits.request_bytes:
            raise Invalid(f"the request is longer than {self._limits.request_bytes} bytes", "load data in bulk")
        self._actions.check(action.type)
        return iter(self._actions.run(self._caller(context), action.type, body))

    @guarded
    def list_actions(self, context: flight.ServerCallContext) -> list[tuple[str, str]]:
        """The actions there are."""
        return list(ACTIONS.items())

    @guarded
    def list_flights(self, context: flight.ServerCallContext, criteria: bytes) -> Iterator[flight.FlightInfo]:
        """Not spoken."""
        raise Unsupported("ListFlights is not supported", "send GetTables or a query")

    @guarded
    def do_exchange(
        self,
        context: flight.ServerCallContext,
        descriptor: flight.FlightDescriptor,
        reader: flight.MetadataRecordBatchReader,
        writer: flight.MetadataRecordBatchWriter,
    ) -> None:
        """Not spoken."""
        raise Unsupported("DoExchange is not supported", "use DoPut and DoGet")


def serve(
    source: SessionSource,
    host: str = "127.0.0.1",
    port: int = 0,
    *,
    limits: Limits | None = None,
    lock: Lock | None = None,
) -> Server:
    """Start a server over `source`; it answers when this returns. Stop it with `shutdown`."""
    return Server(source, host, port, limits=limits, lock=lock).start()


def _command(descriptor: flight.FlightDescriptor) -> bytes:
    if descriptor.descriptor_type != flight.DescriptorType.CMD:
        raise Invalid("a Flight path is not a query", "send a Flight SQL command")
    command: bytes = descriptor.command
    return command
