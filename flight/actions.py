"""The actions of Flight SQL by their names: bytes in, bytes out. What is meant is in `service.py`."""

from collections.abc import Callable
from typing import TypeVar

from engine.errors import Invalid
from engine.session import Session
from flight import codec, messages, replies
from flight.caller import Caller
from flight.errors import Unsupported
from flight.messages import Closing
from flight.service import Service

T = TypeVar("T")

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


class Actions:
    """Runs actions over the service."""

    def __init__(self, service: Service, close: Callable[[Session], None]) -> None:
        """`close` closes a session."""
        self._service, self._close = service, close

    def check(self, kind: str) -> None:
        """Raise Unsupported for an action that there is not: savepoints and Substrait plans among them."""
        if kind not in ACTIONS:
            raise Unsupported(f"the action {kind} is not supported", "list the actions for what is")

    def run(self, caller: Caller, kind: str, body: bytes) -> list[bytes]:
        """The answers to the action `kind`."""
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
                self._close(caller.session)
                return [codec.serialize(messages.CloseSessionResult(Closing.CLOSED))]
        return []

    def _renewed(self, caller: Caller, endpoint: messages.FlightEndpoint) -> bytes:
        tickets = _tickets(messages.FlightInfo((endpoint,)))
        if not tickets:
            raise Invalid("the endpoint does not expire", "fetch it at any time")
        expires = self._service.renew(caller, tickets[0])
        renewed: bytes = replies.endpoint(codec.encode(tickets[0]), expires).serialize()
        return renewed


def _expect(kind: type[T], body: bytes) -> T:
    message = codec.decode(body)
    if not isinstance(message, kind):
        raise Invalid(f"the action needs a {kind.__name__}", "use a Flight SQL client")
    return message


def _tickets(info: messages.FlightInfo) -> list[messages.TicketStatementQuery]:
    decoded = [codec.decode(endpoint.ticket.ticket) for endpoint in info.endpoint if endpoint.ticket is not None]
    return [ticket for ticket in decoded if isinstance(ticket, messages.TicketStatementQuery)]
