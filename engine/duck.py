"""DuckDB itself: everything that depends on the version of the engine, and nothing else does.

A port to another DuckDB version is work in this file alone. See `docs/decisions/0001-duckdb-version.md`.
"""

import importlib.util
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
from duckdb.func import FunctionNullHandling, PythonUDFType

from engine.errors import Internal

Cursor = duckdb.DuckDBPyConnection
Error = duckdb.Error
Missing = duckdb.CatalogException  # what a statement names is not there; it leaves a transaction as it was

BATCH_ROWS = 16_384  # small batches let the engine produce while the network sends; the default of 1M does not overlap

TOKEN_KINDS = {kind.value: name for name, kind in duckdb.token_type.__members__.items()}  # ten times faster than .name


_verified: set[tuple[str, int, int]] = set()  # extensions that this process has loaded: file, size, time of change


def connect(
    threads: int, memory_limit: str, temp_directory: Path, temp_limit: str, extensions: Sequence[str] = ()
) -> Cursor:
    """Open the root connection of an instance, in memory, with no network use and no extensions but those named.

    The engine verifies the signature of an extension, which takes it 0.12 s: once in a process for each file.

    `python_enable_replacements` must be off at connect: a later `set` does not reach cursors, and with it on a
    statement could read the variables of this process.
    """
    binaries = {name: _extension(name) for name in extensions}
    stated = {(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in binaries.values()}
    config: dict[str, str | bool | int | float | list[str]] = {
        "python_enable_replacements": False,
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        "allow_unsigned_extensions": bool(stated) and stated <= _verified,
        "temp_directory": str(temp_directory),
        "max_temp_directory_size": temp_limit,
        "preserve_insertion_order": True,
    }
    if memory_limit:
        config["memory_limit"] = memory_limit
    if threads:
        config["threads"] = threads
    root = duckdb.connect(":memory:", config=config)
    root.execute("set global TimeZone = 'UTC'")  # the host's zone would appear in every schema
    for name, path in binaries.items():
        try:
            root.execute(f"load {literal(str(path))}")
        except duckdb.Error as error:
            root.close()
            raise Internal(f"the extension {name} cannot be loaded: {error}", _install(name)) from None
    root.execute("set allow_unsigned_extensions = false")
    _verified.update(stated)
    return root


def _extension(name: str) -> Path:
    """The binary of an extension in its wheel: nothing is downloaded or written to a home folder."""
    spec = importlib.util.find_spec(f"duckdb_extension_{name}")
    if spec is not None and spec.submodule_search_locations:
        folder = Path(next(iter(spec.submodule_search_locations)))
        binary = folder / "extensions" / f"v{duckdb.__version__}" / f"{name}.duckdb_extension"
        if binary.is_file():
            return binary
    raise Internal(f"the wheel duckdb-extension-{name} is not installed", _install(name))


def _install(name: str) -> str:
    return f"pip install duckdb-extension-{name}=={duckdb.__version__}"


def seal(root: Cursor, folders: Sequence[Path]) -> None:
    """Close the file system but for `folders`, and freeze the configuration. Must come after every attach."""
    allowed = ", ".join(literal(str(folder).rstrip("/") + "/") for folder in folders)
    root.execute(f"set allowed_directories = [{allowed}]")
    root.execute("set enable_external_access = false")
    root.execute("set lock_configuration = true")


def reader(cursor: Cursor, sql: str, params: object | None = None) -> pa.RecordBatchReader:
    """Start `sql` on `cursor` and return its rows as a stream of Arrow batches."""
    return (cursor.execute(sql, params) if params else cursor.execute(sql)).to_arrow_reader(BATCH_ROWS)


def table(cursor: Cursor, sql: str, params: object | None = None) -> pa.Table:
    """Run `sql` and return all of its rows as one Arrow table."""
    return (cursor.execute(sql, params) if params else cursor.execute(sql)).to_arrow_table()


def expanded_schema(cursor: Cursor, sql: str) -> pa.Schema:
    """The columns of a query that `describe` does not take: a PIVOT that names no values, SHOW, DESCRIBE or SUMMARIZE.

    For a PIVOT the engine first makes a type of the values that it finds; `cursor` keeps it.
    """
    *before, query = statements(cursor, sql)
    if not before:
        return table(cursor, f"select * from ({query.query.rstrip().rstrip(';')}\n) limit 0").schema
    for statement in before:
        cursor.execute(statement)
    return cursor.query(query).limit(0).to_arrow_table().schema


def arrow_type(cursor: Cursor, sql_type: str) -> pa.DataType:
    """The Arrow type that the engine gives to the SQL type `sql_type`."""
    return table(cursor, f"select cast(null as {sql_type}) as x").schema.field(0).type


def register_kernel(
    root: Cursor, name: str, body: Callable[..., pa.Array], parameters: Sequence[str], returns: str
) -> None:
    """Register a kernel as an Arrow scalar function that is never folded at plan time.

    The caller must keep a strong reference to `body` as long as `root` lives: a collected one crashes the process.
    """
    root.create_function(
        name,
        body,
        list(parameters),
        returns,
        type=PythonUDFType.ARROW,
        null_handling=FunctionNullHandling.SPECIAL,
        side_effects=True,
    )


def register_single(
    root: Cursor, name: str, body: Callable[..., object], parameters: Sequence[str], returns: str
) -> None:
    """Register a kernel as `register_kernel` does, but for one row of Python values at a time."""
    root.create_function(
        name,
        body,
        list(parameters),
        returns,
        type=PythonUDFType.NATIVE,
        null_handling=FunctionNullHandling.SPECIAL,
        side_effects=True,
    )


def statements(cursor: Cursor, sql: str) -> list[Any]:
    """The parsed statements of `sql` (each has `.type`, `.query`, `.named_parameters`, `.expected_result_type`)."""
    return list(cursor.extract_statements(sql))


def tokens(sql: str) -> list[tuple[int, str]]:
    """The tokens of `sql` as (offset, kind); kind is one of identifier, keyword, operator, numeric, string, comment."""
    return [(offset, TOKEN_KINDS[kind.value]) for offset, kind in duckdb.tokenize(sql)]


def literal(text: str) -> str:
    """`text` as a SQL string literal."""
    return "'" + text.replace("'", "''") + "'"


def qualified(*parts: str) -> str:
    """A full name (catalog, schema, table) as quoted SQL."""
    return ".".join(identifier(part) for part in parts)


def identifier(name: str) -> str:
    """`name` as a quoted SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def break_off(cursor: Cursor) -> None:
    """End the statement that Ctrl-C has stopped on a cursor, and let nothing of an open transaction be committed.

    The engine only stops waiting for it: its threads go on, it holds the files even when the cursor is closed, and what
    it wrote into a transaction stays there. It ends when the cursor is interrupted and gets another statement; one that
    fails makes the transaction fail.
    """
    cursor.interrupt()
    with suppress(duckdb.Error):
        cursor.execute("select error('broken off')")


@contextmanager
def transaction(cursor: Cursor, *, open_already: bool = False) -> Iterator[None]:
    """Commit at the end, roll back on an error. Nothing is done when the caller has a transaction open already."""
    if open_already:
        yield
        return
    cursor.execute("begin")
    try:
        yield
        cursor.execute("commit")
    except BaseException:
        cursor.interrupt()  # see `break_off`
        with suppress(duckdb.Error):  # the engine may have ended it already; the first error is the one to show
            cursor.execute("rollback")
        raise
