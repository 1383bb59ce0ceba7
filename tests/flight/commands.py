"""Commands of Flight SQL to the service, without a socket."""

import pyarrow as pa

from flight import messages
from flight.caller import Caller
from flight.service import Info, Service


def ask(service: Service, caller: Caller, sql: str, transaction: bytes | None = None) -> Info:
    return service.query(caller, messages.CommandStatementQuery(sql, transaction))


def fetch(service: Service, caller: Caller, info: Info) -> pa.Table:
    assert info.ticket is not None
    rows = service.rows(caller, messages.TicketStatementQuery(info.ticket))
    return pa.Table.from_batches(rows.batches, rows.schema)


def rows(service: Service, caller: Caller, sql: str, transaction: bytes | None = None) -> list[dict[str, object]]:
    found: list[dict[str, object]] = fetch(service, caller, ask(service, caller, sql, transaction)).to_pylist()
    return found


def update(service: Service, caller: Caller, sql: str, transaction: bytes | None = None) -> int:
    return service.update(caller, messages.CommandStatementUpdate(sql, transaction))


def prepare(
    service: Service, caller: Caller, sql: str, transaction: bytes | None = None
) -> messages.ActionCreatePreparedStatementResult:
    return service.prepare(caller, messages.ActionCreatePreparedStatementRequest(sql, transaction))


def begin(service: Service, caller: Caller) -> bytes:
    return service.begin(caller).transaction_id


def end(service: Service, caller: Caller, transaction: bytes, how: messages.Ending) -> None:
    service.end(caller, messages.ActionEndTransactionRequest(transaction, how))


def bind(service: Service, caller: Caller, handle: bytes, values: dict[str, list[object]]) -> Info:
    command = messages.CommandPreparedStatementQuery(handle)
    assert service.bind(caller, command, pa.table(values)).prepared_statement_handle == handle
    return service.prepared_query(caller, command)
