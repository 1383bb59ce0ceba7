"""The Arrow Flight front: bytes to commands, errors to statuses, rows to streams. What is meant is in `service.py`."""

import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from itertools import chain, islice
from typing import Any, Self, TypeVar

import pyarrow as pa
from pyarrow import flight

from engine.errors import Invalid, TimedOut
from engine.session import SessionSource
from flight import codec, messages
from flight.auth import authenticate, check_host
from flight.boundary import guarded, guarded_stream, outward, untraced
from flight.caller import Caller
from flight.errors import Unsupported
from flight.messages import Closing
from flight.results import Rows
from flight.service import Info, Limits, Service
from flight.sessions import Sessions
from flight.streams import has_dictionary, split
from flight.watch import Watch

T = TypeVar("T")
IDENTITY = "identity"
STUCK_SECONDS = 5.0
COURTESY_SECONDS = 0.5
SMALL_ROWS = 1024

ACTIONS = {
    "CreatePreparedStatement": "Prepare a statement.",
    "ClosePreparedStatement": "Forget a prepared statement.",
    "BeginTransaction": "Begin a transaction.",
    "EndTransaction": "Commit or roll back a transaction.",
    "CancelQuery": "Cancel a statement (deprecated form).",
    "CancelFlightInfo": "Cancel a statement.",
    "RenewFlightEndpoint": "Keep the rows of a statement for longer.",
    "SetSessionOptions": "Set the catalog and the schema of the session.",
    "GetSessionOptions": "The catalog and the schema of the session.",
    "CloseSession": "Close the session.",
}


class Calls:
    """How many calls are being answered."""

    def __init__(self) -> None:
        """None yet."""
        self._active = 0
        self._change = threading.Condition()

    def change(self, by: int) -> None:
        """Count a call in or out."""
        with self._change:
            self._active += by
            self._change.notify_all()

    def wait(self, until: float) -> bool:
        """Wait until there is none; False when there still is one at `until` (monotonic seconds)."""
        with self._change:
            return self._change.wait_for(lambda: self._active == 0, max(0.0, until - time.monotonic()))


class Identity(flight.ServerMiddleware):  # type: ignore[misc]  # pyarrow has no types
    """Who makes one call."""

    def __init__(self, profile: str, cookie: str | None, ended: Callable[[], None]) -> None:
        """`ended` is called when the call has been answered to its end."""
        self.profile, self.cookie, self._ended = profile, cookie, ended

    def call_completed(self, exception: BaseException | None) -> None:
        """Called by Arrow at the end of a call, after the last batch of a stream."""
        self._ended()


class Identities(flight.ServerMiddlewareFactory):  # type: ignore[misc]  # pyarrow has no types
    """Reads the headers of each call."""

    def __init__(self, calls: Calls) -> None:
        """`calls` counts them."""
        self._calls = calls

    @guarded
    def start_call(self, info: Any, headers: dict[str, list[str]]) -> Identity:
        """Called by Arrow before a call is handled."""
        profile = authenticate(headers)
        self._calls.change(+1)
        cookies = headers.get("cookie")
        return Identity(profile, "; ".join(cookies) if cookies else None, partial(self._calls.change, -1))


class Server(flight.FlightServerBase):  # type: ignore[misc]  # pyarrow has no types
    """A Flight SQL server on the loopback interface. It listens from its construction on."""

    def __init__(
        self,
        source: SessionSource,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        limits: Limits | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Bind `host`:`port` (0 = any free one). Raises Forbidden for a host that is not loopback."""
        check_host(host)
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
        self._watch = Watch(self._sweep)
        super().__init__(f"grpc+tcp://{self._host}:{port}", middleware={IDENTITY: Identities(self._calls)})

    @property
    def uri(self) -> str:
        """Where clients connect."""
        return f"grpc://{self._host}:{self.port}"

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
        self._service.sweep()
        self._sessions.sweep(self._watch.sessions())

    def _caller(self, context: flight.ServerCallContext) -> Caller:
        identity = context.get_middleware(IDENTITY)
        session, cookie = self._sessions.of(identity.profile, context.peer(), identity.cookie)
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
                return _flight_info(descriptor, self._service.query(caller, command))
            case messages.CommandPreparedStatementQuery():
                return _flight_info(descriptor, self._service.prepared_query(caller, command))
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
            return _stream(self._service.rows(caller, command))
        if messages.is_metadata(command):
            return _stream(self._service.answer(caller, command))
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
        if action.type not in ACTIONS:
            raise Unsupported(f"the action {action.type} is not supported", "list the actions for what is")
        return iter(self._act(self._caller(context), action.type, body))

    def _act(self, caller: Caller, kind: str, body: bytes) -> list[bytes]:
        service = self._service
        match kind:
            case "CreatePreparedStatement":
                request = _expect(messages.ActionCreatePreparedStatementRequest, body)
                return [codec.encode(service.prepare(caller, request))]
            case "ClosePreparedStatement":
                service.close_prepared(caller, _expect(messages.ActionClosePreparedStatementRequest, body))
            case "BeginTransaction":
                return [codec.encode(service.begin(caller))]
            case "EndTransaction":
                service.end(caller, _expect(messages.ActionEndTransactionRequest, body))
            case "CancelQuery":
                info = codec.parse(messages.FlightInfo, _expect(messages.ActionCancelQueryRequest, body).info)
                return [codec.encode(messages.ActionCancelQueryResult(service.cancel(caller, _tickets(info))))]
            case "CancelFlightInfo":
                info = codec.parse(messages.CancelFlightInfoRequest, body).info or messages.FlightInfo()
                return [codec.serialize(messages.CancelFlightInfoResult(service.cancel(caller, _tickets(info))))]
            case "RenewFlightEndpoint":
                endpoint = codec.parse(messages.RenewFlightEndpointRequest, body).endpoint
                return [self._renewed(caller, endpoint or messages.FlightEndpoint())]
            case "SetSessionOptions":
                errors = service.set_options(caller, codec.parse_options(body))
                return [codec.serialize_option_errors(errors)]
            case "GetSessionOptions":
                return [codec.serialize_options(service.options(caller))]
            case "CloseSession":
                self._sessions.close(caller.session)
                return [codec.serialize(messages.CloseSessionResult(Closing.CLOSED))]
        return []

    def _renewed(self, caller: Caller, endpoint: messages.FlightEndpoint) -> bytes:
        tickets = _tickets(messages.FlightInfo((endpoint,)))
        if not tickets:
            raise Invalid("the endpoint does not expire", "fetch it at any time")
        expires = self._service.renew(caller, tickets[0])
        renewed: bytes = _endpoint(codec.encode(tickets[0]), expires).serialize()
        return renewed

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


def serve(source: SessionSource, host: str = "127.0.0.1", port: int = 0, *, limits: Limits | None = None) -> Server:
    """Start a server over `source`; it answers when this returns. Stop it with `shutdown`."""
    return Server(source, host, port, limits=limits).start()


def _command(descriptor: flight.FlightDescriptor) -> bytes:
    if descriptor.descriptor_type != flight.DescriptorType.CMD:
        raise Invalid("a Flight path is not a query", "send a Flight SQL command")
    command: bytes = descriptor.command
    return command


def _expect(kind: type[T], body: bytes) -> T:
    message = codec.decode(body)
    if not isinstance(message, kind):
        raise Invalid(f"the action needs a {kind.__name__}", "use a Flight SQL client")
    return message


def _tickets(info: messages.FlightInfo) -> list[messages.TicketStatementQuery]:
    decoded = [codec.decode(endpoint.ticket.ticket) for endpoint in info.endpoint if endpoint.ticket is not None]
    return [ticket for ticket in decoded if isinstance(ticket, messages.TicketStatementQuery)]


def _endpoint(ticket: bytes, expires: float | None) -> flight.FlightEndpoint:
    until = None if expires is None else pa.scalar(datetime.fromtimestamp(expires, UTC), pa.timestamp("us", "UTC"))
    return flight.FlightEndpoint(ticket, [], until)


def _flight_info(descriptor: flight.FlightDescriptor, info: Info) -> flight.FlightInfo:
    endpoints = []
    if info.ticket is not None:
        ticket = codec.encode(messages.TicketStatementQuery(info.ticket))
        endpoints.append(_endpoint(ticket, info.expires))
    return flight.FlightInfo(info.schema, descriptor, endpoints, info.records, -1)


def _stream(rows: Rows) -> flight.FlightDataStream:
    batches = guarded_stream(part for batch in rows.batches for part in split(batch))
    head = list(islice(batches, 1))
    if not head or head[0].num_rows < SMALL_ROWS:
        head += islice(batches, 1)
        if len(head) < 2:  # a small answer leaves Arrow without a call back into Python
            return flight.RecordBatchStream(pa.Table.from_batches(head, rows.schema))
    everything = chain(head, batches)
    if has_dictionary(rows.schema):  # a GeneratorStream cannot send dictionaries
        return flight.RecordBatchStream(pa.RecordBatchReader.from_batches(rows.schema, everything))
    return flight.GeneratorStream(rows.schema, everything)
