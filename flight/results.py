"""What a ticket stands for: a statement that reads, run when its rows are fetched, or one that has acted already."""

import secrets
import threading
import time
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field, replace

import pyarrow as pa

from engine.errors import Conflict, Internal, LakehouseError, TimedOut
from engine.session import Session
from engine.spool import Spool
from flight.caller import Caller

Params = Sequence[object] | None


def fresh_id() -> str:
    """A new statement id."""
    return secrets.token_hex(8)


@dataclass(frozen=True)
class Statement:
    """A statement with its session, its transaction and its parameters; several rows of them run it several times."""

    session: Session
    sql: str
    transaction: str | None = None
    params: tuple[Params, ...] = (None,)
    statement_id: str = field(default_factory=fresh_id)

    def batches(self) -> Generator[pa.RecordBatch | pa.Schema, None, None]:
        """Run it: its schema, then its batches."""
        schema: pa.Schema | None = None
        for params in self.params:
            result = self.session.run(self.sql, params, transaction=self.transaction, statement_id=self.statement_id)
            try:
                if schema is None:
                    schema = result.schema
                    yield schema
                yield from _as(schema, result.schema, result.batches())
            finally:
                result.close()

    def cancel(self) -> bool:
        """Stop it; False when it does not run."""
        return self.session.cancel(self.statement_id)


def _as(schema: pa.Schema, found: pa.Schema, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Batches of the schema `found` with the types of `schema`: a bound NULL may have given a column another type."""
    if found.equals(schema):
        yield from batches
        return
    for batch in batches:
        try:
            yield batch.cast(schema)
        except (pa.ArrowException, ValueError):
            raise Conflict("the parameter rows give columns of different types", "bind them one by one") from None


@dataclass(frozen=True)
class Rows:
    """Rows on their way to a client."""

    schema: pa.Schema
    batches: Iterator[pa.RecordBatch]


class Reading:
    """A statement that only reads. Each fetch runs it."""

    busy = False
    disposable = True

    def __init__(self, statement: Statement, declared: pa.Schema | None) -> None:
        """`declared`: the schema that the client was told; None when it was told none."""
        self.session = statement.session
        self._statement, self._declared = statement, declared

    def rows(self, caller: Caller) -> Rows:
        """Run it. The statement is cancelled when the caller goes away."""
        stream = self._stream(caller)
        schema = next(stream)
        if self._declared is not None and not schema.equals(self._declared):
            stream.close()
            self.session.forget_descriptions()
            raise Conflict("the columns changed after the statement was planned", "run it again")
        return Rows(schema, stream)

    def _stream(self, caller: Caller) -> Generator[pa.RecordBatch, None, None]:
        # Started by the `next` above, so that its end is reached even when the client never fetches a batch.
        self._statement = statement = replace(self._statement, statement_id=fresh_id())
        with caller.watch(statement.cancel):
            yield from statement.batches()

    def cancel(self) -> bool:
        """Stop the latest fetch; False when it does not run."""
        return self._statement.cancel()

    def close(self) -> None:
        """Nothing is held between fetches."""


class Acting:
    """A statement that acts and returns rows: runs once, at once, in a thread of its own; its rows are kept."""

    def __init__(self, statement: Statement) -> None:
        """Starts the statement."""
        self.session = statement.session
        self.disposable = False
        self._statement = statement
        self._spool: Spool | None = None
        self._error: LakehouseError | None = None
        self._done = threading.Event()
        self._closed = threading.Event()
        threading.Thread(target=self._run, name=f"statement-{statement.statement_id}", daemon=True).start()

    @property
    def busy(self) -> bool:
        """Whether it still runs."""
        return not self._done.is_set()

    def _run(self) -> None:
        try:
            for item in self._statement.batches():
                if self._spool is None:
                    self._spool = Spool(item)
                else:
                    self._spool.write(item)
        except LakehouseError as error:
            self._error = error
        except Exception as error:
            self._error = Internal(f"the rows could not be kept ({type(error).__name__})", "free disk space and repeat")
        finally:
            if self._spool is not None:
                self._spool.finish()
            self._done.set()
            self._drop_if_closed()

    def wait(self, caller: Caller, seconds: float | None = None) -> Spool | None:
        """The rows when it ends in time, None otherwise. Raises the error that it ended with."""
        with caller.watch(self._statement.cancel):
            self._done.wait(seconds)
        if not self._done.is_set():
            return None
        if self._error is not None:
            raise self._error
        return self._spool

    def join(self, until: float) -> None:
        """Wait for its end, until `until` (monotonic seconds)."""
        self._done.wait(max(0.0, until - time.monotonic()))

    def rows(self, caller: Caller) -> Rows:
        """Wait for its end and serve the rows, as often as asked."""
        spool = self.wait(caller)
        if spool is None:
            raise TimedOut("the statement was cancelled", "repeat it")
        self.disposable = True
        return Rows(spool.schema, spool.batches())

    def cancel(self) -> bool:
        """Stop it; False when it has ended."""
        return self._statement.cancel()

    def close(self) -> None:
        """Stop it if it runs and drop its rows."""
        self._closed.set()
        if self.busy:
            self._statement.cancel()
        self._drop_if_closed()

    def _drop_if_closed(self) -> None:
        if self._closed.is_set() and self._done.is_set() and self._spool is not None:
            self._spool.close()
