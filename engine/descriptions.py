"""What a statement would answer, known without running it, and remembered while no table changes.

A client plans the same text many times. A description depends on the tables, views, macros and types that its text can
name, and all of these change under the write lock, which counts the versions of the lake. Files that only an admin may
name change by themselves: whoever finds other columns than were promised calls `forget`.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa

from engine import columns, parameters
from engine.access.roles import Effect
from engine.plans import Pattern

if TYPE_CHECKING:
    from engine.execution import Execution
    from engine.guard import Checked
    from engine.lake import Lake

NO_ROWS = pa.schema([])
EXPLAINED = pa.schema([("explain_key", pa.string()), ("explain_value", pa.string())])
KEPT = 1024


@dataclass(frozen=True)
class Description:
    """What is known of a statement before it runs."""

    schema: pa.Schema | None  # of the rows; None where only running tells (DML with RETURNING)
    parameters: pa.Schema
    is_query: bool
    effect: Effect


Key = tuple[str | Pattern, str]  # the text as it runs, and the search path in which its names are looked up


class Descriptions:
    """A bounded number of descriptions, each good for one version of the lake."""

    def __init__(self, lake: "Lake") -> None:
        """None yet."""
        self._lake = lake
        self._known: OrderedDict[Key, tuple[object, Description]] = OrderedDict()
        self._lock = threading.Lock()

    def of(
        self, checked: "Checked", path: str, begin: Callable[[], "Execution"], *, pivots: bool, lasting: bool
    ) -> Description:
        """The description of `checked`, looked up in `path`; `begin` makes the execution that asks the engine.

        `lasting`: whether the statement depends on nothing but the lake, no temporary table and no open transaction.
        """
        if checked.kind == "EXPLAIN":
            return _description(checked, EXPLAINED, [(name, pa.string()) for name in checked.parameters])
        if not checked.parameters and (not checked.is_query or (checked.leaves_traces and not pivots)):
            return _description(checked, None if checked.is_query else NO_ROWS, [])
        version = (self._lake.version, self._lake.revival.number)
        lasting = lasting and checked.describable and not checked.contained
        key = (self._lake.annex.pattern(checked) or checked.text, path)
        kept = self._find(key, version) if lasting else None
        if kept is None:
            kept = self._ask(checked, begin())
            if lasting:
                self._keep(key, version, kept)
        return kept

    def _ask(self, checked: "Checked", execution: "Execution") -> Description:
        with execution.acting():
            kind_of = self._lake.arrow_type
            if self._lake.containment.takes(checked):
                schema, found = self._lake.containment.describe(execution, checked)
            else:
                schema = columns.of(execution.cursor, checked, kind_of) if checked.is_query else NO_ROWS
                found = parameters.infer(execution.cursor, checked.text, checked.parameters, kind_of)
        execution.finish()
        return _description(checked, schema, list(found.items()))

    def _find(self, key: Key, version: object) -> Description | None:
        with self._lock:
            found = self._known.get(key)
            if found is None or found[0] != version:
                return None
            self._known.move_to_end(key)
            return found[1]

    def _keep(self, key: Key, version: object, description: Description) -> None:
        """Remember a description that was begun in `version`: a change meanwhile makes it worthless."""
        with self._lock:
            self._known[key] = version, description
            self._known.move_to_end(key)
            if len(self._known) > KEPT:
                self._known.popitem(last=False)

    def forget(self) -> None:
        """Forget all of them."""
        with self._lock:
            self._known.clear()


def _description(
    checked: "Checked", schema: pa.Schema | None, parameters: list[tuple[str, pa.DataType]]
) -> Description:
    return Description(schema, pa.schema(parameters), checked.is_query, checked.effect)
