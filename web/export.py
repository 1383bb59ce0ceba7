"""A result as a file: CSV, JSON, Parquet or an Arrow stream, written while it is read."""

import io
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pyarrow.types as kinds
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from engine.errors import Forbidden, Invalid, nearest
from engine.session import Session
from engine.statement import Result
from web.caller import begin, stream
from web.cells import plain
from web.pages import statement_of


class Sink(io.RawIOBase):
    """A file that hands on what was written to it."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def writable(self) -> bool:
        """It is."""
        return True

    def write(self, data: Any) -> int:
        """Keep a copy of `data` until it is taken."""
        self._parts.append(bytes(data))
        return len(self._parts[-1])

    def take(self) -> bytes:
        """Everything written since the last time."""
        parts, self._parts = self._parts, []
        return b"".join(parts)


def _csv(result: Result) -> Iterator[bytes]:
    """Texts are quoted, so that an empty one is not a NULL; nested values are JSON."""
    schema = pa.schema([(field.name, field.type if _is_bare(field.type) else pa.string()) for field in result.schema])
    sink = Sink()
    with pyarrow.csv.CSVWriter(sink, schema) as writer:
        for batch in result.batches():
            columns = [column if _is_bare(column.type) else _texts(column) for column in batch.columns]
            writer.write_batch(pa.record_batch(columns, schema=schema))
            yield sink.take()
    yield sink.take()


def _is_bare(kind: pa.DataType) -> bool:
    return bool(kinds.is_integer(kind) or kinds.is_float64(kind) or kinds.is_boolean(kind))


def _texts(column: pa.Array) -> pa.Array:
    values = (value if value is None or isinstance(value, str) else json.dumps(value) for value in plain(column))
    return pa.array(values, pa.string())


def _json(result: Result) -> Iterator[bytes]:
    names = result.schema.names
    if len(set(names)) < len(names):
        raise Invalid("two columns have the same name, which JSON cannot hold", "give each column a name of its own")
    before = "[\n"
    for batch in result.batches():
        rows = zip(*(plain(column) for column in batch.columns), strict=True)
        lines = [json.dumps(dict(zip(names, row, strict=True)), ensure_ascii=False) for row in rows]
        if lines:
            yield (before + ",\n".join(lines)).encode()
            before = ",\n"
    yield b"[]\n" if before == "[\n" else b"\n]\n"


def _arrow(result: Result) -> Iterator[bytes]:
    sink = Sink()
    with pa.ipc.new_stream(sink, result.schema) as writer:
        for batch in result.batches():
            writer.write_batch(batch)
            yield sink.take()
    yield sink.take()


def _parquet(result: Result) -> Iterator[bytes]:
    sink = Sink()
    with pyarrow.parquet.ParquetWriter(sink, result.schema, compression="zstd") as writer:
        for batch in result.batches():
            writer.write_batch(batch)
            yield sink.take()
    yield sink.take()


@dataclass(frozen=True)
class Format:
    """How a result is written, and what it is then."""

    media_type: str
    write: Callable[[Result], Iterator[bytes]]


FORMATS = {
    "csv": Format("text/csv; charset=utf-8", _csv),
    "json": Format("application/json", _json),
    "parquet": Format("application/vnd.apache.parquet", _parquet),
    "arrow": Format("application/vnd.apache.arrow.stream", _arrow),
}


async def export(request: Request) -> Response:
    """`POST /sql/export`: run a statement that only reads once more, and send all of its rows as a file."""
    form = await request.form()
    statement, name = statement_of(str(form.get("statement", ""))), str(form.get("format", ""))
    if name not in FORMATS:
        raise Invalid(f"unknown format {name!r}", nearest(name, FORMATS))
    session, chunks = await begin(request, _start(statement, FORMATS[name]))
    headers = {"content-disposition": f'attachment; filename="result.{name}"'}
    return StreamingResponse(stream(session, chunks), headers=headers, media_type=FORMATS[name].media_type)


def _start(statement: str, written: Format) -> Callable[[Session], Iterator[bytes]]:
    def work(session: Session) -> Iterator[bytes]:
        known = session.describe(statement)
        if not known.is_query or known.effect != "reads":
            raise Forbidden("only a statement that reads can be downloaded", "run it, then select what it wrote")
        result = session.run(statement)
        chunks = written.write(result)
        try:
            first = next(chunks)
        except pa.ArrowException as error:
            result.close()
            raise Invalid(f"the result does not fit the format: {error}", "cast the column, or choose CSV") from None
        return _with_first(first, chunks)

    return work


def _with_first(first: bytes, others: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from others
