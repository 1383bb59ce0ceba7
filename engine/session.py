"""Who asks, and the one way in: every door runs SQL through a session and gets a stream of Arrow batches back."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

import pyarrow as pa

from engine import duck, guard, parameters
from engine.access.credentials import Credentials
from engine.access.profiles import Profile
from engine.access.roles import Effect, Role, allows, require
from engine.advice import beside
from engine.cursors import path_of
from engine.descriptions import NO_ROWS, Description
from engine.errors import Conflict, Forbidden, Invalid, LakehouseError, NotFound
from engine.execution import Execution, Transaction
from engine.load import LoadMode, Target, check_schema, load_stream
from engine.parameters import Parameters
from engine.spool import spooled
from engine.statement import Result, affected
from engine.stream import measured, streamed
from engine.temporary import Temporary

if TYPE_CHECKING:
    from engine.lake import Lake

__all__ = ["Description", "Session", "SessionSource"]  # what the doors need


class SessionSource(Protocol):
    """What gives a door its sessions."""

    def session(self, profile: str = "admin", token_id: str | None = None) -> "Session":
        """A new session of `profile`, which ends with the token that it was opened with."""

    @property
    def credentials(self) -> Credentials:
        """Who a token or a password stands for."""


class Session:
    """One caller. Statements of a session may run side by side, each on a cursor of its own."""

    def __init__(self, lake: "Lake", profile: str, token_id: str | None) -> None:
        """Made by `Lake.session`."""
        self.id = secrets.token_hex(8)
        self.profile = profile
        self.began = lake.clock()
        self.urgent = False  # its statements do not wait for their turn: whether the server is well
        self.token_id = token_id  # the token that it was opened with
        self.place = ("primary", "main")  # the catalog and schema that unqualified names mean
        self.closed = False
        self._lake = lake
        self._transactions: dict[str, Transaction] = {}
        self.temporary = Temporary(lake.config.engine.temporary_bytes)

    @property
    def role(self) -> Role:
        """The role of the profile, as it is now."""
        return self._lake.spaces.profile(self.profile).role

    def may(self, effect: Effect) -> bool:
        """Whether the role allows statements and functions of an effect."""
        return allows(self.role, effect)

    @property
    def reach(self) -> Profile:
        """The profile with its grants, as they are now: what may be seen and changed."""
        return self._lake.spaces.profile(self.profile)

    @property
    def search_path(self) -> str:
        """Where the engine looks up the names of this session's statements."""
        return self._path(self.place)

    def path_of_statement(self, checked: guard.Checked) -> str:
        """The search path of one statement: without buckets where it names nothing of them."""
        return self._path(None) if checked.placeless else self.search_path

    def _path(self, place: tuple[str, str] | None) -> str:
        space = self._lake.spaces.of(self.profile)
        if space is not None:
            return space.search_path(place)
        return path_of(place) if place else path_of()

    def shown(self) -> dict[str, object]:
        """The session as a row of `lake.sessions`."""
        return {
            "session_id": self.id,
            "profile": self.profile,
            "role": self.role,
            "began_at": int(self.began * 1e6),
            "statements": len(self._lake.statements(self)),
            "transactions": len(self._transactions),
        }

    def visible_tables(self) -> list[str] | None:
        """The tables that a restricted profile sees, as it would write them; None for an admin."""
        space = self._lake.spaces.of(self.profile)
        return None if space is None else space.written(self.place)

    def scrubbed(self, fault: LakehouseError, sql: str = "") -> LakehouseError:
        """`fault` of the statement `sql` as the profile may read it: without what only the namespace knows."""
        space = self._lake.spaces.of(self.profile)
        return fault if space is None else space.scrubbed(fault, sql)

    def describe(
        self, sql: str, *, transaction: str | None = None, pivots: bool = True, statement_id: str | None = None
    ) -> Description:
        """What `sql` would answer. It is not run, so that this raises only what can be known without running.

        The columns of a PIVOT that names no values, and those of SHOW or SUMMARIZE, take a look at the rows, which may
        last: without `pivots` they have no schema. `statement_id`: as of `run`.
        """
        checked = self._check(sql)

        def begin() -> Execution:
            kind = "SELECT" if checked.leaves_traces else "DESCRIBE"
            reading = replace(
                checked, kind=kind, is_query=True, effect="reads", parameters=(), describable=False, expands=False,
                contained=None,
            )  # fmt: skip
            return self._execution(sql, reading, transaction, statement_id)

        lasting = transaction is None and self.temporary.is_empty
        found = self._lake.descriptions.of(checked, self.search_path, begin, pivots=pivots, lasting=lasting)
        return found if self.reach.sees_everything else replace(found, schema=self._shown(found.schema))

    def forget_descriptions(self) -> None:
        """Have statements described anew: the columns of one were not those that its description promised."""
        self._lake.descriptions.forget()

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
            execution = self._execution(sql, checked, None, statement_id)
            with execution.acting():
                self._use(sql)
            execution.finish()
            return Result(execution.statement.statement_id, NO_ROWS, iter(()), rows_affected=0)
        execution = self._execution(sql, checked, transaction, statement_id)
        with execution.acting():
            values = parameters.named(checked.parameters, params)
            reader = beside(self._as_shown(execution.reader(values)), checked.advice)
            apart = self._lake.containment.takes(checked, values)
            if checked.is_query and checked.effect == "reads" and transaction is None and not apart:
                return streamed(execution, reader)
            # It acts, or its cursor or its worker is needed for the next statement: take all rows now.
            spool = spooled(measured(execution, reader) if checked.is_query else reader, reader.schema)
            if checked.effect == "reads":
                execution.statement.check()  # an interrupted one may end as if it were complete
            _see_own_effects(execution)
        execution.statement.rows, execution.statement.bytes = spool.rows, spool.bytes
        execution.finish()
        done = execution.statement.statement_id
        if not checked.is_query:
            count = affected(pa.Table.from_batches(spool.batches(), spool.schema))
            return Result(done, NO_ROWS, iter(()), rows_affected=count)
        return Result(done, spool.schema, spool.batches(), close=spool.close)

    def _as_shown(self, reader: pa.RecordBatchReader) -> pa.RecordBatchReader:
        schema = self._shown(reader.schema)
        if schema is None or schema.names == reader.schema.names:
            return reader
        return pa.RecordBatchReader.from_batches(schema, (batch.rename_columns(schema.names) for batch in reader))

    def _shown(self, schema: pa.Schema | None) -> pa.Schema | None:
        space = self._lake.spaces.of(self.profile)
        return schema if space is None or schema is None else space.shown(schema)

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
            count = 0
            for row in values or [[]] * rows.num_rows:
                execution.statement.check()
                count += affected(duck.table(execution.cursor, checked.text, parameters.named(checked.parameters, row)))
        execution.finish()
        return count

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

        `create` fails when the table exists, `append` when it does not, `replace` drops it first. `temporary`: a table
        that only this session sees, and that goes with it.
        """
        target = Target(catalog or self.place[0], schema or self.place[1], table)
        with self._refusing(f"load {target}"):
            require(self.role, "writes", "a bulk load")
            if temporary and (catalog or schema):
                raise Invalid("a temporary table has no catalog and no schema", "name the table only")
            if not temporary:
                self._check_target(target)
            check_schema(reader.schema)
        what = f"load temporary {duck.identifier(table)}" if temporary else f"load {target}"
        writing = guard.Checked("INSERT", False, "writes", (), False)
        checked = guard.Checked("LOAD", False, "records", (), False) if temporary else writing
        execution = self._execution(what, checked, transaction, statement_id)
        with execution.acting():
            if temporary:
                rows = self.temporary.load(execution, reader, table, mode)
            else:
                with duck.transaction(execution.cursor, open_already=transaction is not None):
                    rows = load_stream(execution.cursor, reader, target, mode)
                    execution.statement.check()
        execution.statement.rows = rows
        execution.finish()
        return rows

    def _check_target(self, target: Target) -> None:
        guard.check_place((target.catalog, target.schema))
        if not self.reach.changes(target.catalog, target.schema, target.table):
            raise Forbidden(f"{target.table!r} lies where your profile may not write", "ask for a grant on its schema")

    def begin(self) -> str:
        """Open a transaction and return its id."""
        with self._refusing("begin"):
            self._lake.refuse_closed(self, "BEGIN")
            transaction = Transaction(self._lake.cursors.take(self.search_path))
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
            if how == "commit":
                self.temporary.commit(transaction_id)
        finally:
            self.temporary.rollback(transaction_id)
            self._transactions.pop(transaction_id, None)
            self._lake.cursors.give(transaction.held)
        execution.finish()

    def forget_transactions(self) -> None:
        """Take note that the engine that held them has ended: nothing of them is kept."""
        for transaction in list(self._transactions.values()):
            transaction.over = True
        self._transactions.clear()

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
            self._lake.cursors.check(self._path(place))
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
        self.temporary.close()

    def _check(self, sql: str) -> guard.Checked:
        with self._refusing(sql):
            checked = self._lake.check(sql)
            space = self._lake.spaces.of(self.profile)
            require(self.role, checked.effect, "the statement")
            self._lake.containment.require_steady(checked, self.role, sql)
            if checked.is_write:
                guard.check_place(self.place)
            if space is None or checked.kind == "USE":
                return checked
            return replace(checked, text=space.admit(sql, checked, self.place))

    @contextmanager
    def _refusing(self, sql: str) -> Iterator[None]:
        """Record in the journal what is refused before a statement begins. Raises LakehouseError only."""
        try:
            yield
        except Exception as error:
            fault = self._lake.fault(error)
            self._lake.record_error(fault, self.profile, sql, None)
            raise fault from None


def _see_own_effects(execution: Execution) -> None:
    """Let a transaction that has not written see what a function with effects has just committed."""
    transaction, checked = execution.transaction, execution.checked
    if transaction is not None and not transaction.wrote and checked.effect != "reads":
        execution.cursor.execute("rollback")
        execution.cursor.execute("begin")
