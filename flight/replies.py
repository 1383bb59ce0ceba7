"""What Arrow Flight sends back: FlightInfo, endpoints and streams."""

from datetime import UTC, datetime
from itertools import chain, islice

import pyarrow as pa
from pyarrow import flight

from flight import codec, messages
from flight.boundary import guarded_stream
from flight.results import Rows
from flight.service import Info
from flight.streams import has_dictionary, split

SMALL_ROWS = 1024


def endpoint(ticket: bytes, expires: float | None) -> flight.FlightEndpoint:
    """Where the rows of a ticket are fetched: here; until `expires`, in seconds since the epoch."""
    until = None if expires is None else pa.scalar(datetime.fromtimestamp(expires, UTC), pa.timestamp("us", "UTC"))
    return flight.FlightEndpoint(ticket, [], until)


def flight_info(descriptor: flight.FlightDescriptor, info: Info) -> flight.FlightInfo:
    """The answer to GetFlightInfo of a statement."""
    endpoints = []
    if info.ticket is not None:
        ticket = codec.encode(messages.TicketStatementQuery(info.ticket))
        endpoints.append(endpoint(ticket, info.expires))
    return flight.FlightInfo(info.schema, descriptor, endpoints, info.records, -1)


def stream(rows: Rows, message_bytes: int) -> flight.FlightDataStream:
    """The answer to DoGet, in messages of about so many bytes."""
    batches = guarded_stream(part for batch in rows.batches for part in split(batch, message_bytes))
    head = list(islice(batches, 1))
    if not head or head[0].num_rows < SMALL_ROWS:
        head += islice(batches, 1)
        if len(head) < 2:  # a small answer leaves Arrow without a call back into Python
            return flight.RecordBatchStream(pa.Table.from_batches(head, rows.schema))
    everything = chain(head, batches)
    if has_dictionary(rows.schema):  # a GeneratorStream cannot send dictionaries
        return flight.RecordBatchStream(pa.RecordBatchReader.from_batches(rows.schema, everything))
    return flight.GeneratorStream(rows.schema, everything)
