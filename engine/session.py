"""Who asks, and the one way in: every door runs SQL through a session and gets a stream of Arrow batches back."""

import secrets
import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import pyarrow as pa

from engine import duck, faults, guard
from engine.access.roles import Effect, Role, require
from engine.errors import Conflict, Invalid, LakehouseError, NotFound
from engine.execution import Execution, Transaction
from engine.load import LoadMode, Target, load_stream
from engine.spool import spooled
from engine.statement import Result
from engine.stream import Stream

if TYPE_CHECKING:
    from engine.lake import Lake

NO_ROWS = pa.schema([])
EXPLAINED = pa.schema([("explain_key", pa.string()), ("explain_value", pa.string())])
Parameters = Sequence[object] | Mapping[str, object]


@dataclass(frozen=True)
class Description:
    """What is known of a statement before it runs."""

    schema: pa.Schema | None  # of the rows; None where only running tells (DML with RETURNING)
    parameters: pa.Schema
    is_query: bool
    effect: Effect


class SessionSource(Protocol):
    """What gives a door its sessions."""

    def session(self, profile: str = "admin") -> "Session":
        """A new session of `profile`."""


class Session:
    """One caller. Statements of a session may run side by side, each on a cursor of its own."""

    def __init__(self, lake: "Lake", profile: str, role: Role) -> None:
        """Made by `Lake.session`."""
        self.id = secrets.token_hex(8)
        self.profile, self.role = profile, role
        self.place = ("primary", "main")  # the catalog and schema that unqualified names mean
        self.closed = False
        self._lake = lake
        self._transactions: dict[str, Transaction] = {}

    def describe(self, sql: str, *, transaction: str | None = None) -> Description:
        """What `sql` would answer. Nothing runs, so it raises only what can be known without running."""
        checked = self._check(sql)
        parameters = pa.schema([(name, pa.string()) for name in checked.parameters])
        if not checked.is_query:
            return Description(NO_ROWS, parameters, False, checked.effect)
        if checked.kind == "EXPLAIN":
            return Description(EXPLAINED, parameters, True, checked.effect)
        if not checked.describable:
            schema = self._schema_by_running(sql, checked, transaction)
            return Description(schema, parameters, True, checked.effect)
        reading = guard.Checked("DESCRIBE", True, "reads", (), False)
        execution = self._execution(sql, reading, transaction)
        with execution.acting():
            described = duck.table(execution.cursor, f"describe {sql}", unbound(checked.parameters)).to_pylist()
            types = [self._lake.arrow_type(row["column_type"]) for row in described]
        execution.finish()
        fields = [pa.field(row["column_name"], kind) for row, kind in zip(described, types, strict=True)]
        return Description(pa.schema(fields), parameters, True, checked.effect)

    def _schema_by_running(self, sql: str, checked: guard.Checked, transaction: str | None) -> pa.Schema | None:
        if checked.effect != "reads" or checked.parameters:
            return None
        with self.run(sql, transaction=transaction) as result:
            return result.schema

    def run(
        self,
        sql: str,
        params: Parameters | None = None,
        *,
        transaction: str | None = None,
        statement_id: str | None = None,
    ) -> Result:
        """Run one statement. A read streams its rows; a statement that acts has acted when this returns.

        `params`: values in the order of `Description.parameters`, or by their names.
        `statement_id`: a name of the caller's own, by which another thread may `cancel` it meanwhile.
        """
        checked = self._check(sql)
        if checked.kind == "USE":
            with self._refusing(sql):
                self._use(sql)
            return Result("", NO_ROWS, iter(()), rows_affected=0)
        execution = self._execution(sql, checked, transaction, statement_id)
        with execution.acting():
            reader = duck.reader(execution.cursor, sql, _named(checked.parameters, params))
            if checked.is_query and checked.effect == "reads" and transaction is None:
                return _stream(execution, reader)
            # It acts, or its cursor is needed for the next statement of the transaction: take all rows now.
            spool = spooled(reader, reader.schema)
            if checked.effect == "reads":
                execution.statement.check()  # an interrupted one may end as if it were complete
            _see_own_effects(execution)
        execution.statement.rows = spool.rows
        execution.finish()
        done = execution.statement.statement_id
        if not checked.is_query:
            count = _count(pa.Table.from_batches(spool.batches(), spool.schema))
            return Result(done, NO_ROWS, iter(()), rows_affected=count)
        return Result(done, spool.schema, spool.batches(), close=spool.close)

    def run_many(
        self, sql: str, rows: pa.Table, *, transaction: str | None = None, statement_id: str | None = None
    ) -> int:
        """Run one DML statement for each row of `rows`, all or nothing; returns the rows affected."""
        checked = self._check(sql)
        if checked.is_query or checked.kind not in guard.DATA_STATEMENTS:
            with self._refusing(sql):
                raise Invalid("only a statement without rows can run for many parameters", "use a lateral join instead")
        values = [list(row) for row in zip(*(column.to_pylist() for column in rows.columns), strict=True)]
        execution = self._execution(sql, checked, transaction, statement_id)
        with execution.acting(), duck.transaction(execution.cursor, open_already=transaction is not None):
            affected = 0
            for row in values or [[]] * rows.num_rows:
                execution.statement.check()
                affected += _count(duck.table(execution.cursor, sql, _named(checked.parameters, row)))
        execution.finish()
        return affected

    def load(
        self,
        reader: pa.RecordBatchReader,
        table: str,
        *,
        mode: LoadMode,
        catalog: str | None = None,
        schema: str | None = None,
        temporary: bool = False,
        transaction: str | None = None,
        statement_id: str | None = None,
    ) -> int:
        """Write a stream of Arrow batches into `table`, all or nothing; returns the rows written.

        `create` fails when the table exists, `append` when it does not, `replace` drops it first.
        """
        target = Target(catalog or self.place[0], schema or self.place[1], table)
        with self._refusing(f"load {target}"):
            if temporary:
                raise Invalid("temporary tables cannot be loaded in bulk", "load into a named table and drop it later")
            require(self.role, "writes", "a bulk load")
            guard.check_place((target.catalog, target.schema))
        checked = guard.Checked("INSERT", False, "writes", (), False)
        execution = self._execution(f"load {target}", checked, transaction, statement_id)
        with execution.acting(), duck.transaction(execution.cursor, open_already=transaction is not None):
            rows = load_stream(execution.cursor, reader, target, mode)
            execution.statement.check()
        execution.statement.rows = rows
        execution.finish()
        return rows

    def begin(self) -> str:
        """Open a transaction and return its id."""
        with self._refusing("begin"):
            self._lake.refuse_closed(self, "BEGIN")
            transaction = Transaction(self._lake.cursors.take(*self.place))
            transaction.held.dirty = True
            try:
                transaction.held.cursor.execute("begin")
            except BaseException:
                self._lake.cursors.give(transaction.held)
                raise
        self._transactions[transaction.transaction_id] = transaction
        if self.closed:  # meanwhile, by another thread that did not see this one
            self.rollback(transaction.transaction_id)
            raise Conflict("the session is closed", "open another one")
        return transaction.transaction_id

    def commit(self, transaction: str) -> None:
        """Commit; raises Conflict when another writer was faster. After any failure nothing of it is kept."""
        try:
            self._end(transaction, "commit")
        except LakehouseError:
            if transaction in self._transactions:
                self._end(transaction, "rollback")
            raise

    def rollback(self, transaction: str) -> None:
        """Forget everything that the transaction did."""
        self._end(transaction, "rollback")

    def _end(self, transaction_id: str, how: str) -> None:
        ending = guard.Checked(how.upper(), False, "writes", (), False)
        execution = self._execution(how, ending, transaction_id)
        transaction = execution.transaction
        assert transaction is not None
        try:
            with execution.acting():
                transaction.over = True
                if how == "commit":
                    execution.cursor.execute(
                        "select 1"
                    )  # fails after a failure; the commit would forget all in silence
                execution.cursor.execute(how)
        finally:
            self._transactions.pop(transaction_id, None)
            self._lake.cursors.give(transaction.held)
        execution.finish()

    def _execution(
        self, sql: str, checked: guard.Checked, transaction: str | None, statement_id: str | None = None
    ) -> Execution:
        with self._refusing(sql):
            within = self._transaction(transaction)
        return Execution(self._lake, self, sql, checked, within, statement_id)

    def _transaction(self, transaction_id: str | None) -> Transaction | None:
        if transaction_id is None:
            return None
        found = self._transactions.get(transaction_id)
        if found is None:
            raise NotFound("the transaction is not open", "begin a new one")
        return found

    def option(self, name: str) -> str | None:
        """The session option `catalog` or `schema`; None for any other name."""
        return {"catalog": self.place[0], "schema": self.place[1]}.get(name)

    def set_option(self, name: str, value: str) -> None:
        """Set `catalog` or `schema`: what unqualified names mean. Raises NotFound when there is no such place."""
        if name not in ("catalog", "schema"):
            raise Invalid(f"unknown session option {name!r}", "known: catalog, schema")
        self._move((value, "main") if name == "catalog" else (self.place[0], value))

    def _use(self, sql: str) -> None:
        parts = guard.use_target(sql)
        if not 1 <= len(parts) <= 2:
            raise Invalid("use names a catalog, a schema, or catalog.schema", 'for example use "primary".main')
        catalogs = {name.lower() for name in self._lake.catalogs()}
        if len(parts) == 2:
            self._move((parts[0], parts[1]))
        else:
            self._move((parts[0], "main") if parts[0].lower() in catalogs else (self.place[0], parts[0]))

    def _move(self, place: tuple[str, str]) -> None:
        guard.check_catalog(place[0])
        try:
            self._lake.cursors.check(place)
        except duck.Error:
            raise NotFound(f"{place[0]}.{place[1]} does not exist", "run show all tables") from None
        self.place = place

    def cancel(self, statement_id: str) -> bool:
        """Stop a running statement of this session; False when it does not run."""
        return self._lake.cancel(statement_id, self)

    def close(self) -> None:
        """Cancel what runs, roll back what is open, and refuse what comes later."""
        self.closed = True
        for statement in self._lake.statements(self):
            statement.cancel()
        for transaction in list(self._transactions):
            with suppress(LakehouseError):  # it has just ended by itself, or the lake is closed
                self.rollback(transaction)

    def _check(self, sql: str) -> guard.Checked:
        with self._refusing(sql):
            checked = self._lake.check(sql)
            require(self.role, checked.effect, "the statement")
            if checked.is_write:
                guard.check_place(self.place)
        return checked

    @contextmanager
    def _refusing(self, sql: str) -> Iterator[None]:
        """Record in the journal what is refused before a statement begins. Raises LakehouseError only."""
        try:
            yield
        except Exception as error:
            fault = faults.translate(error, str(self._lake.home))
            self._lake.record_error(fault, self.profile, sql, None)
            raise fault from None


def _stream(execution: Execution, reader: pa.RecordBatchReader) -> Result:
    stream, statement = Stream(execution, reader), execution.statement
    result = Result(
        statement.statement_id, stream.schema, stream.batches(), cancel=statement.cancel, close=stream.close
    )
    weakref.finalize(result, stream.abandon).atexit = False  # rows that nobody reads give their cursor back
    return result


def _see_own_effects(execution: Execution) -> None:
    """Let a transaction that has not written see what a function with effects has just committed."""
    transaction, checked = execution.transaction, execution.checked
    if transaction is not None and not transaction.wrote and checked.effect != "reads":
        execution.cursor.execute("rollback")
        execution.cursor.execute("begin")


def _named(names: Sequence[str], params: Parameters | None) -> Parameters | None:
    """Parameters as the engine wants them: in order for `?`, by name for `$name`."""
    if params is None or isinstance(params, Mapping) or all(name.isdigit() for name in names):
        return params
    if len(params) != len(names):
        raise Invalid(f"{len(params)} values were given for {len(names)} parameters", "give one value to each")
    return dict(zip(names, params, strict=True))


def unbound(names: Sequence[str]) -> Parameters:
    """NULL for every parameter: enough to describe a statement."""
    return [None] * len(names) if all(name.isdigit() for name in names) else dict.fromkeys(names)


def _count(table: pa.Table) -> int:
    if table.num_columns == 1 and table.num_rows == 1 and table.column_names[0] == "Count":
        return int(table.column(0)[0].as_py() or 0)
    return 0
