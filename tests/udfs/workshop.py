"""A lake with kernels of the tests: they act, fail and wait as they are told."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from engine import duck
from engine.errors import Conflict
from engine.lake import Lake
from tests.conftest import FAST
from udfs import kernels
from udfs.kernel import Call, Row, batch_kernel, installable, kernel

BODIES: list[object] = []  # a collected kernel would crash the process
BATCHES: list[int] = []  # the sizes of the batches that `_double` got


@batch_kernel("_double", "BIGINT", "BIGINT", "reads")
def double(call: Call, rows: list[Row]) -> Sequence[Any]:
    """Twice the number; NULL for NULL."""
    BATCHES.append(len(rows))
    return [None if number is None else 2 * number for (number,) in rows]


@kernel("_tell", "DECIMAL(9, 2), STRUCT(a INTEGER, b VARCHAR)", "STRUCT(price VARCHAR, whole VARCHAR)[]", "reads")
def tell(call: Call, price: Any, whole: Any) -> list[dict[str, Any]]:
    """Arguments of types that hold commas."""
    return [{"price": repr(price), "whole": repr(whole)}]


@kernel("_break", "VARCHAR", "INTEGER", "reads")
def broken(call: Call, how: str) -> int:
    """Fail in the way that is asked for."""
    if how == "ours":
        raise Conflict("the shelf\nis full; all of it", "empty it; then repeat")
    if how == "engine":
        call.lake.cursor().execute("select * from nothing_here")
    if how == "recursion":
        return 1 + len(str(broken.run(call, [(how,)])))
    if how == "value":
        return "no number"  # type: ignore[return-value]
    raise KeyError("/secret/path of a bug")


@kernel("_wait", "VARCHAR", "INTEGER", "reads")
def wait(call: Call, what: str) -> int:
    """Wait until the caller cancels."""
    call.progress(1, 2, what)
    while True:
        call.check()
        call.statement.cancelled.wait(0.01)


@kernel("_note", "VARCHAR", "STRUCT(noted VARCHAR)[]", "records")
def note(call: Call, text: str | None) -> list[dict[str, Any]]:
    """Write into the control plane, in a transaction of its own."""
    with call.lake.writing(call.statement.statement_id), call.lake.control() as cursor:
        call.lake.journal.record_within(cursor, "note", text, {}, call.session.profile)
    return [{"noted": text}]


@kernel("_rule", "", "STRUCT(ruled BOOLEAN)[]", "administers")
def rule(call: Call) -> list[dict[str, Any]]:
    """What only an administrator may."""
    return [{"ruled": True}]


@kernel("_nested", "VARCHAR", "BIGINT", "reads")
def nested(call: Call, sql: str) -> int:
    """Run SQL of the caller's session, and count its rows."""
    with call.session.run(sql) as result:
        return len(result.rows())


MACROS = """
create macro fn.double(n) as _double(n::bigint, getvariable('lakehouse_call'));
create macro fn.tell(price, whole) as table
    select unnest(a) from (select unnest(_tell(price, whole, getvariable('lakehouse_call'))) as a);
create macro fn.break_as(how) as _break(how::varchar, getvariable('lakehouse_call'));
create macro fn.wait(what) as _wait(what::varchar, getvariable('lakehouse_call'));
create macro fn.note(text) as table
    select unnest(a) from (select unnest(_note(text::varchar, getvariable('lakehouse_call'))) as a);
create macro fn.rule() as table select unnest(a) from (select unnest(_rule(getvariable('lakehouse_call'))) as a);
create macro fn.nested(sql) as _nested(sql::varchar, getvariable('lakehouse_call'));
"""
EFFECTS = {"double": "reads", "break_as": "reads", "wait": "reads", "nested": "reads"}
TABLE_EFFECTS = {"tell": "reads", "note": "records", "rule": "administers"}


def open_workshop(home: Path, **settings: Any) -> Lake:
    """A lake with the product's kernels and those above."""
    lake = Lake(home, settings={**FAST, **settings})
    for name, body, parameters, returns in installable(lake, [double, tell, broken, wait, note, rule, nested]):
        BODIES.append(body)
        duck.register_kernel(lake.root, name, body, parameters, returns)
    lake.root.execute(MACROS)
    for kind, effects in (("macro", EFFECTS), ("macro table", TABLE_EFFECTS)):
        for name, effect in effects.items():
            required = 2 if name == "tell" else 0 if name == "rule" else 1
            comment = f"For tests.\n@area access\n@effect {effect}\n@required {required}\n@signature {name}(…)"
            lake.root.execute(f"comment on {kind} fn.{name} is '{comment}'")
    lake.install(installable(lake, kernels()))
    return lake
