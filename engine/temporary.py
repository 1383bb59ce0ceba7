"""The temporary tables of a session: bulk loads that its own statements see, and nobody else; they go with the session.

A statement runs on whatever cursor is free, so that a temporary table of the engine would be gone with the next one.
The rows are kept here instead, as immutable Arrow data, and each statement finds them as temporary views on its cursor.
Inside a transaction the changes are its own until it commits. See `docs/decisions/0010-temporary-tables.md`.
"""

import mmap
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa

from engine import duck, faults
from engine.cursors import Held
from engine.errors import Busy, Conflict, Invalid, NotFound
from engine.load import LoadMode, coarsened

if TYPE_CHECKING:
    from engine.execution import Execution

MEMORY_BYTES = 1 << 20  # a table above this lies in a file that the system pages in and out


@dataclass(frozen=True)
class _Kept:
    """One table. It offers itself to the engine as a stream: pyarrow's own scanner would copy it."""

    name: str
    rows: pa.Table

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self.rows.__arrow_c_stream__(requested_schema)


Changes = dict[str, _Kept | None]  # by folded name; None = dropped


class Temporary:
    """The temporary tables of one session. Its statements may run side by side."""

    def __init__(self, max_bytes: int) -> None:
        """None yet; `max_bytes` is what all of them may hold together."""
        self._max_bytes = max_bytes
        self._tables: dict[str, _Kept] = {}
        self._changes: dict[str, Changes] = {}  # of open transactions
        self._lock = threading.Lock()

    @property
    def is_empty(self) -> bool:
        """Whether there is no table, in no transaction either."""
        return not self._tables and not self._changes

    def seen(self, transaction: str | None) -> Mapping[str, _Kept]:
        """The tables by folded name, as a statement of `transaction` sees them."""
        with self._lock:
            seen: Changes = {**self._tables, **self._changes.get(transaction or "", {})}
        return {key: kept for key, kept in seen.items() if kept is not None}

    def show(self, held: Held, transaction: str | None) -> None:
        """Make the tables known on a cursor, which then serves nobody else.

        They are shown again for each statement of a transaction, because going back to a new snapshot forgets them.
        """
        tables = self.seen(transaction).values()
        if tables:
            held.dirty = True
            with duck.transaction(held.cursor, open_already=transaction is not None):  # else each would begin its own
                for kept in tables:
                    held.cursor.register(kept.name, kept)

    def load(self, execution: "Execution", reader: pa.RecordBatchReader, name: str, mode: LoadMode) -> int:
        """Keep what `reader` gives as the table `name`; returns the rows written. Columns are matched by name.

        Raises Conflict (`create` and it exists), NotFound (`append` and it does not), Invalid (a type that cannot be
        kept) and Busy (more bytes than a session may keep).
        """
        transaction = execution.transaction_id
        before = self.seen(transaction).get(name.lower())
        if before is not None and mode == "create":
            raise Conflict(f"the temporary table {name!r} exists already", "append to it or replace it")
        if before is None and mode == "append":
            raise NotFound(f"the temporary table {name!r} does not exist", "create it first")
        schema = coarsened(reader.schema)
        added = _written(self._bounded(reader, schema, execution.statement.check), schema)
        whole = added if before is None or mode == "replace" else _appended(before.rows, added)
        kept = _Kept(before.name if before is not None else name, whole)
        self._check(execution.held, kept)
        self._apply({name.lower(): kept}, transaction)
        return len(added)

    def _check(self, held: Held, kept: _Kept) -> None:
        """Let the engine look at it before it is kept: one that it cannot read would fail every later statement."""
        held.dirty = True
        try:
            held.cursor.register(kept.name, kept)
            held.cursor.execute(f"describe from temp.main.{duck.identifier(kept.name)}").fetchall()
        except (duck.Error, pa.ArrowException) as error:
            raise Invalid(f"the rows cannot be kept: {faults.translate(error).message}", "cast them first") from None

    def _bounded(
        self, reader: pa.RecordBatchReader, schema: pa.Schema, check: Callable[[], None]
    ) -> Iterator[pa.RecordBatch]:
        """The batches with the types of `schema`, while they fit. `check` is called between them and at the end."""
        size = self.bytes
        for batch in reader:
            check()
            size += batch.nbytes
            if size > self._max_bytes:
                raise Busy(
                    f"the temporary tables of a session hold at most {self._max_bytes} bytes",
                    "drop one with drop view, or raise [engine] temporary_bytes",
                )
            yield batch if schema.equals(reader.schema) else batch.cast(schema, safe=False)
        check()

    @property
    def bytes(self) -> int:
        """What all of them hold, those of open transactions too."""
        with self._lock:
            every = [*self._tables.values(), *(kept for one in self._changes.values() for kept in one.values() if kept)]
        sizes: dict[int, int] = {id(kept): kept.rows.nbytes for kept in every}
        return sum(sizes.values())

    def drop_what_is_gone(self, held: Held, transaction: str | None) -> None:
        """Forget the tables that a DROP VIEW has removed from a cursor."""
        seen = self.seen(transaction)
        if not seen:
            return
        rows = held.cursor.execute(
            "select lower(view_name) from duckdb_views() where temporary and not internal"
        ).fetchall()
        gone: Changes = dict.fromkeys(seen.keys() - {name for (name,) in rows})
        self._apply(gone, transaction)

    def _apply(self, changes: Changes, transaction: str | None = None) -> None:
        with self._lock:
            if transaction is not None:
                self._changes.setdefault(transaction, {}).update(changes)
                return
            for key, kept in changes.items():
                if kept is None:
                    self._tables.pop(key, None)
                else:
                    self._tables[key] = kept

    def commit(self, transaction: str) -> None:
        """What a transaction changed is the session's."""
        with self._lock:
            changes = self._changes.pop(transaction, {})
        self._apply(changes)

    def rollback(self, transaction: str) -> None:
        """Forget what a transaction changed."""
        with self._lock:
            self._changes.pop(transaction, None)

    def close(self) -> None:
        """Forget everything; a statement that still runs keeps what it reads."""
        with self._lock:
            self._tables.clear()
            self._changes.clear()


def _appended(before: pa.Table, added: pa.Table) -> pa.Table:
    """`before` and then `added`, whose columns are matched by name; those that it lacks are NULL."""
    by_name = {name.lower(): added.column(name) for name in added.column_names}
    unknown = by_name.keys() - {name.lower() for name in before.column_names}
    if unknown:
        raise Invalid(f"the table has no column {min(unknown)!r}", "leave it out, or replace the table")
    columns = []
    for field in before.schema:
        column = by_name.get(field.name.lower())
        try:
            columns.append(pa.nulls(len(added), field.type) if column is None else column.cast(field.type))
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise Invalid(f"the column {field.name!r} does not fit: {error}", "cast it first") from None
    schema = pa.schema([field.with_nullable(True) for field in before.schema])
    return pa.concat_tables([before.cast(schema), pa.table(columns, schema=schema)])


def _written(batches: Iterable[pa.RecordBatch], schema: pa.Schema) -> pa.Table:
    """The rows as a table, in memory while they are few."""
    held: list[pa.RecordBatch] = []
    size = 0
    rest = iter(batches)
    for batch in rest:
        held.append(batch)
        size += batch.nbytes
        if size > MEMORY_BYTES:
            return _mapped(held, rest, schema)
    return pa.Table.from_batches(held, schema)


def _mapped(held: list[pa.RecordBatch], rest: Iterable[pa.RecordBatch], schema: pa.Schema) -> pa.Table:
    # The file has no name, so that a killed process leaves none behind; the mapping keeps it as long as the rows.
    with tempfile.TemporaryFile() as file:
        try:
            with pa.ipc.new_stream(pa.PythonFile(file, "w"), schema) as writer:
                for some in (held, rest):
                    for batch in some:
                        writer.write_batch(batch)
            file.flush()
        except OSError as error:
            raise Busy("there is no room for the rows", "free disk space and repeat") from error
        mapping = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    with pa.ipc.open_stream(pa.py_buffer(mapping)) as reader:
        return reader.read_all()
