"""Which statements of a lake run in a worker process, and how they do."""

import re
from collections.abc import Mapping
from functools import cached_property
from itertools import count
from typing import TYPE_CHECKING

import pyarrow as pa

from engine import parameters
from engine.access.roles import Role
from engine.columns import unbound
from engine.containment import setting
from engine.containment.answer import Answer
from engine.containment.orders import Order, Surface
from engine.containment.pool import Pool
from engine.errors import Forbidden, Invalid, LakehouseError
from engine.storage.buckets import PRIMARY

if TYPE_CHECKING:
    from engine.execution import Execution
    from engine.guard import Checked
    from engine.lake import Lake

CRASHES = re.compile(  # overflow the stack, and with it end the process, on JSON that nests deeply
    r"(?i)\b(json_structure|json_group_structure|json_merge_patch|json_contains|json_pretty|json_tree|variant)\b"
)
MAX_VALUE = 64_000  # bytes of a text parameter: a longer one could be repeated for every row
Types = Mapping[str, pa.DataType]


class Containment:
    """Statements that nothing could stop or bound run apart; `[engine] contain = 'nobody'` turns that off."""

    def __init__(self, lake: "Lake") -> None:
        """Starts nothing yet."""
        self._lake = lake
        self.pool = Pool(lake, lambda: self.surface)
        self._runs = count(1)
        self._views: tuple[int, list[tuple[str, str, str]]] | None = None

    @cached_property
    def surface(self) -> Surface:
        """The functions of the lake that workers have."""
        return setting.surface(self._lake)

    @cached_property
    def callable(self) -> frozenset[str]:
        """The names of the kernels that workers may call."""
        return frozenset(name for name, _, _ in self.surface.kernels)

    def views(self) -> list[tuple[str, str, str]]:
        """The views of the schema `lake`, and those that may read it: catalog, name, text."""
        version = self._lake.version
        if self._views is None or self._views[0] != version:
            with self._lake.cursor() as cursor:
                rows = cursor.execute(
                    "select database_name, view_name, sql from duckdb_views() "
                    "where not internal and (database_name = 'lake' or contains(lower(sql), 'lake'))"
                ).fetchall()
            self._views = (version, rows)
        return self._views[1]

    @property
    def _on(self) -> bool:
        return self._lake.config.engine.contain == "everyone"

    def takes(self, checked: "Checked", params: object = None) -> bool:
        """Whether a statement runs apart: one that only reads, and is unsteady or has large values."""
        large = checked.kind == "SELECT" and _is_large(params)
        return self._on and checked.effect == "reads" and not checked.is_write and bool(checked.contained or large)

    def require_steady(self, checked: "Checked", role: Role, sql: str) -> None:
        """Raise Forbidden for a statement that acts and could not be stopped.

        An admin's runs in the server, unless it could end the process.
        """
        acts = checked.effect != "reads" or checked.is_write
        if acts and checked.contained and self._on and (role != "admin" or CRASHES.search(sql)):
            raise Forbidden(
                f"{checked.contained} may run for long, which a statement that acts may not",
                "compute it in a select and load the rows, or ask an admin",
            )

    def run(self, execution: "Execution", sql: str, params: object) -> Answer:
        """Run a statement that only reads; returns its rows. They are closed with the execution.

        Raises Busy when no worker became free within the time limit, Invalid when it needs too much memory or stands in
        a transaction that has written, and what the engine would raise.
        """
        transaction, session = execution.transaction, execution.statement.session
        if transaction is not None and transaction.wrote:
            raise Invalid(
                f"{execution.checked.contained or 'a statement with large values'} runs in a process of its own, which "
                "does not see what the transaction has written",
                "commit first, or run it before the transaction writes",
            )
        setting.check_catalog(self._lake, session, execution.checked.text or sql)
        tables = setting.state(self._lake, session, sql)
        loaded = setting.temporary(session, execution.transaction_id, sql)
        where = setting.setting(self._lake, session)
        answer = Answer(execution, self.pool.give)
        execution.guard_with(answer.interrupt, answer.close)
        process, copy = self.pool.take(execution.statement)
        data = self._lake.home / "buckets" / PRIMARY / "data"
        answer.begin(process, Order(next(self._runs), copy, data, where, sql, params, tables, loaded))
        return answer

    def describe(self, execution: "Execution", checked: "Checked") -> tuple[pa.Schema | None, Types]:
        """The columns and the types of the parameters of a contained query, whose binding may last, too.

        None instead of columns that are known by running only, when there are parameters.
        """
        kind_of = self._lake.arrow_type
        types = parameters.infer(execution.cursor, checked.text, checked.parameters, kind_of, self._may_bind)
        if checked.describable:
            rows = self.run(execution, f"describe {checked.text}", unbound(checked.parameters)).read_all().to_pylist()
            fields = [pa.field(row["column_name"], kind_of(row["column_type"])) for row in rows]
            return pa.schema(fields), types
        return (None if types else self.run(execution, checked.text, None).schema), types

    def _may_bind(self, sql: str) -> bool:
        try:
            return not self._lake.check(sql).contained
        except LakehouseError:
            return False

    def close(self) -> None:
        """End every worker."""
        self.pool.close()


def _is_large(params: object) -> bool:
    values = params.values() if isinstance(params, Mapping) else params if isinstance(params, list | tuple) else ()
    return any(isinstance(value, str | bytes) and len(value) > MAX_VALUE for value in values)
