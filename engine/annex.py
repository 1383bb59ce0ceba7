"""A second, small instance of the engine: one thread, no buckets, no files, and only those functions that are kernels.

A question to a corpus is one row for the engine and some milliseconds for Python. With several threads, the one that
the caller waits in looks for work again and again while another one runs the kernel, and both want Python's lock: twice
the CPU time and the wait. Here the caller's own thread does everything. See decision 0023.
"""

import inspect
import re
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

import pyarrow as pa

from engine import duck
from engine.cursors import Cursors, Held
from engine.guard import serialized
from engine.instance import Body
from engine.parameters import Parameters
from engine.placeless import is_placeless
from engine.plans import Pattern, shape_of
from sql import scripts

if TYPE_CHECKING:
    from engine.guard import Checked
    from engine.lake import Lake

PATH = duck.qualified("fn", "main")
MEMORY = "1GiB"  # for rows of answers; what is more goes to disk
BODIES = """
select function_name, function_type = 'table_macro' as answers_rows,
    if(answers_rows, macro_definition, 'select ' || macro_definition)
from duckdb_functions()
where database_name = 'fn' and schema_name = 'main' and macro_definition is not null
"""
PLAIN = (pa.types.is_string, pa.types.is_integer, pa.types.is_floating, pa.types.is_boolean)
KERNEL = re.compile(r"\b(_\w+)\(")
MACRO = re.compile(r"create or replace macro fn\.(\w+)\(")


class Annex:
    """Opened when the first statement needs it."""

    def __init__(self, lake: "Lake") -> None:
        """`lake` has been dressed before the first statement comes."""
        self._lake = lake
        self._lock = threading.Lock()
        self._root: duck.Cursor | None = None
        self._cursors: Cursors | None = None
        self._macros: frozenset[str] | None = None
        self.tables: frozenset[str] = frozenset()  # those that answer with rows, once `macros` are known
        self._sources: dict[str, str] = {}  # how each macro is created
        self._made: set[str] = set()  # kernels and macros
        self._bodies: list[object] = []  # a collected kernel would crash the process

    def takes(self, checked: "Checked") -> bool:
        """Whether a statement runs here: it names nothing of a bucket, and calls kernels and the engine's functions."""
        return checked.placeless and bool(checked.calls) and not checked.contained and checked.calls <= self.macros

    @property
    def macros(self) -> frozenset[str]:
        """Our functions whose bodies are kernels and nothing else."""
        if self._macros is None:
            known = self._lake.known
            with self._lake.cursor() as cursor:
                self._sources = _written(cursor)
                others = known.taken - known.ours.keys()
                found = {
                    name: answers_rows
                    for name, answers_rows, select in cursor.execute(BODIES).fetchall()
                    if name in self._sources and is_placeless(serialized(cursor, select), others)
                }
            self.tables = frozenset(name for name, answers_rows in found.items() if answers_rows)
            self._macros = frozenset(found)
        return self._macros

    def cursors(self, checked: "Checked") -> Cursors:
        """The cursors of the instance, which then has the functions that a statement calls."""
        with self._lock:
            if self._root is None:
                self._root = self._opened()
                self._cursors = Cursors(self._root)
            for name in checked.calls - self._made:
                self._make(self._root, name)
        assert self._cursors is not None
        return self._cursors

    def reader(self, held: Held, checked: "Checked", params: Parameters | None) -> pa.RecordBatchReader:
        """Start a statement on a cursor of the instance. What comes again there has a plan; see `engine/plans.py`."""
        shape = shape_of(checked.text, self.tables, checked.parameters)
        filled = shape and shape.filled(params)
        name = held.plans.name(filled[0]) if filled else None
        if filled and name:
            return duck.reader(held.cursor, f"execute {name}{filled[1]}")
        return duck.reader(held.cursor, checked.text, params)

    def pattern(self, checked: "Checked") -> Pattern | None:
        """What statements that differ in a text only have in common, their columns too; None where it is not known."""
        shape = shape_of(checked.text, self.tables, checked.parameters) if self.takes(checked) else None
        return shape.pattern if shape else None

    def _opened(self) -> duck.Cursor:
        root = duck.connect(1, MEMORY, self._lake.home / "cache" / "spill-annex", self._lake.config.engine.temp_limit)
        root.execute("attach ':memory:' as fn")
        duck.seal(root, [])
        return root

    def _make(self, root: duck.Cursor, name: str) -> None:
        """Create a macro with its kernels: all of them at once would take longer than most questions."""
        source = self._sources[name]
        for kernel in set(KERNEL.findall(source)) & self._lake.kernels.keys() - self._made:
            body, parameters, returns = self._lake.kernels[kernel]
            kinds = [self._lake.arrow_type(kind) for kind in (*parameters, "VARCHAR", returns)]
            if all(map(_is_plain, kinds)):
                duck.register_single(root, kernel, self._single(body), [*parameters, "VARCHAR"], returns)
            else:
                duck.register_kernel(root, kernel, body, [*parameters, "VARCHAR"], returns)
            self._made.add(kernel)
        root.execute(source)
        self._made.add(name)

    def _single(self, body: Body) -> Callable[..., object]:
        """A kernel for one row of Python values."""

        def called(*values: object) -> object:
            return body.single(*values)

        called.__signature__ = inspect.signature(body)  # type: ignore[attr-defined]
        self._bodies.append(called)
        return called

    def close(self) -> None:
        """Close it, if it is open. The next statement opens another one."""
        with self._lock:
            cursors, root = self._cursors, self._root
            self._cursors = self._root = self._macros = None
            self._made.clear()
        if cursors is not None and root is not None:
            cursors.close()
            root.close()


def _is_plain(kind: pa.DataType) -> bool:
    """Whether Python has values of this type that the engine takes as they are."""
    if pa.types.is_struct(kind):
        return all(_is_plain(field.type) for field in kind)
    if pa.types.is_list(kind) or pa.types.is_fixed_size_list(kind):
        return _is_plain(kind.value_type)
    return any(holds(kind) for holds in PLAIN)


def _written(cursor: duck.Cursor) -> dict[str, str]:
    """How each of our macros is created, by name."""
    texts = [one.query for script in scripts("functions") for one in duck.statements(cursor, script.text)]
    return {made[1]: text for text in texts if (made := MACRO.search(text))}
