"""One instance of the engine over the files of a home: opened, dressed with what is ours, and sealed."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa

from engine import catalogue, duck, faults, guard
from engine.config import Engine
from engine.errors import Internal, Invalid
from engine.storage.buckets import EXTENSIONS, attach_buckets
from sql import Script, scripts


class Body(Protocol):
    """What a kernel does; its last argument is the token of the cursor that calls it."""

    def __call__(self, *columns: pa.ChunkedArray) -> pa.Array:
        """One answer for each row of some columns."""

    def single(self, *values: Any) -> object:
        """The answer to one row of Python values."""


Installable = tuple[str, Body, list[str], str]  # name, body, types of the parameters, type of the answer


def opened(home: Path, engine: Engine) -> duck.Cursor:
    """The root connection of a new instance, with the control plane and the buckets of `home` attached.

    Raises Conflict when the home is open already, Busy when its files cannot be read and written, Invalid for a setting
    that the engine does not take.
    """
    root = _connected(home, engine)
    try:
        path = home / "lake.duckdb"
        root.execute(f"attach {duck.literal(str(path))} as control")
        migrate(root, scripts("schema"))
        for name in ("lake", "fn"):
            root.execute(f"attach ':memory:' as {name}")
        attach_buckets(root, home)
    except (duck.Error, OSError) as error:
        root.close()
        raise faults.unopened(error, str(home)) from None
    except BaseException:
        root.close()
        raise
    return root


def _connected(home: Path, engine: Engine) -> duck.Cursor:
    spill = home / "cache" / "spill"
    try:
        spill.parent.mkdir(exist_ok=True)  # the engine makes the last folder only, and only when it must spill
        return duck.connect(engine.threads, engine.memory_limit, spill, engine.temp_limit, EXTENSIONS)
    except OSError as error:
        raise faults.unopened(error, str(home)) from None
    except duck.Error as error:
        fault = faults.translate(error, str(home))
        raise Invalid(f"the engine does not take its settings: {fault.message}", "see [engine]") from None


def dress(
    root: duck.Cursor,
    kernels: Sequence[Installable],
    home: Path,
    folders: Sequence[Path],
    nesting: int,
    *,
    packaged: bool,
) -> guard.Known:
    """Register the kernels, apply views and function macros, and close the file system but for some folders.

    `folders`: those of which statements may read files. The engine itself needs those of the home, too, and opens the
    files that are attached to everyone: the guard keeps statements from all of the home. `nesting`: how deep a
    statement may nest. `packaged`: there are no functions but those of the package.

    Returns the functions that there are then. The bodies of the kernels must live as long as `root`.
    """
    for name, body, parameters, returns in kernels:
        duck.register_kernel(root, name, body, parameters, returns)
    for script in [*scripts("views"), *scripts("functions")]:
        try:
            root.execute(script.text)
        except duck.Error as error:
            raise Internal(f"sql/{script.name}: {error}", "correct the script") from None
    found = catalogue.names(root, frozenset(name for name, *_ in kernels), packaged=packaged)
    known = guard.Known(found.ours, found.taken, (home,), nesting)
    duck.seal(root, [home / "buckets", home / "cache", *folders])
    return known


def migrate(root: duck.Cursor, migrations: list[Script]) -> list[str]:
    """Run the migrations that have not run yet, each in a transaction with its record; returns their names.

    Raises Internal when a migration that ran has changed since, or one that ran is not there any more.
    """
    root.execute(
        "create table if not exists control.migration "
        "(name varchar primary key, sha256 varchar not null, applied_at timestamptz not null default now())"
    )
    applied = dict(root.execute("select name, sha256 from control.migration").fetchall())
    unknown = sorted(set(applied) - {script.name for script in migrations})
    if unknown:
        raise Internal(f"the home was made by a newer version ({unknown[0]})", "install that version or a newer one")
    done: list[str] = []
    for script in migrations:
        digest = hashlib.sha256(script.text.encode()).hexdigest()
        if script.name in applied:
            if applied[script.name] != digest:
                raise Internal(
                    f"the migration {script.name} has changed since it ran", "undo the change; add a new one"
                )
            continue
        with duck.transaction(root):
            root.execute(script.text)
            root.execute("insert into control.migration (name, sha256) values (?, ?)", [script.name, digest])
        done.append(script.name)
    return done
