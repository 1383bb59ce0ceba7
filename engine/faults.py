"""From what the engine says to what the user reads: DuckDB's exceptions become errors of ours, without paths."""

import re
import threading
from pathlib import Path

import duckdb
import pyarrow as pa

from engine.errors import (
    Busy,
    Conflict,
    Forbidden,
    Internal,
    Invalid,
    LakehouseError,
    NotFound,
    TimedOut,
    parse,
)

KERNEL_FAILED = "Python exception occurred while executing the UDF"

REOPENED = "the engine is reopened; repeat the statement"


class Closed(Conflict):
    """The engine was closed under a statement, or before it."""


KINDS: tuple[tuple[type[Exception], type[LakehouseError], str | None], ...] = (
    (duckdb.InterruptException, TimedOut, "raise the time limit or narrow the statement"),
    (duckdb.PermissionException, Forbidden, "only the folders of the configuration can be read ([ingest] allowed)"),
    (duckdb.ConstraintException, Conflict, "correct the rows and repeat"),
    (duckdb.TransactionException, Conflict, "repeat the transaction"),
    (duckdb.OutOfMemoryException, Busy, "narrow the statement or raise [engine] memory_limit"),
    (duckdb.FatalException, Internal, REOPENED),
    (duckdb.InternalException, Internal, "please report it"),
)
NAMED: dict[str, type[duckdb.Error]] = {
    "transactioncontext": duckdb.TransactionException,
    **{
        name.removesuffix("Exception").lower(): kind
        for name, kind in vars(duckdb).items()
        if name.endswith("Exception")
    },
}
PREFIX = re.compile(r"^([A-Za-z][A-Za-z ]{1,30}) Error: ")
NO_PLACE = re.compile(r'(Catalog|Schema)( with name)? "?[^"]+"? (does not exist|not found)')
OPEN_HERE = "handle conflict"
OPEN_ELSEWHERE = ("Could not set lock on file", "Conflicting lock")
INVALIDATED = "has been invalidated"  # after a failed checkpoint, also as an IO error
FULL_DISK = ("No space left on device", "Disk quota exceeded")
CLOSED_FILES = ("Permission denied", "Operation not permitted", "Read-only file system")
KEYBOARD = re.compile(r"([A-Z][A-Za-z ]+ Error: )*(" + KERNEL_FAILED + r": )?KeyboardInterrupt: <EMPTY MESSAGE>")
NO_THREAD = "can't start new thread"
NO_LIST = re.compile(r"Type VARCHAR with value '([^'\[\]]{1,80})' can't be cast to the destination type VARCHAR\[\]")
TOO_DEEP = "Max expression depth limit"
UNREADABLE_VALUE = "Unable to cast Python instance"
NO_FROM = re.compile(r'Referenced column "([^"]{1,80})" was not found because the FROM clause is missing')
ONE_NAME = re.compile(r"LINE 1: (\w{1,80})\n\s*\^\s*$")  # the whole of a statement


def translate(error: BaseException, home: str = "") -> LakehouseError:
    """The error a user sees for `error`; the folder `home` is removed from its text.

    Raises KeyboardInterrupt for what the engine has made of Ctrl-C.
    """
    if isinstance(error, LakehouseError):
        return error
    text = str(error).partition("\n\nAt:\n")[0]
    if _is_from_the_keyboard(error, text):
        raise KeyboardInterrupt from None
    if KERNEL_FAILED in text:
        return parse(text) or Internal(scrub(text.partition(KERNEL_FAILED)[2].lstrip(": "), home))
    kind = _kind(error, text)
    message = scrub(_first_line(text), home)
    if issubclass(kind, duckdb.ConnectionException):
        return Closed("the lake is closed", "open it again")
    if issubclass(kind, duckdb.Error) and INVALIDATED in text:
        return Internal(message, REOPENED)
    machine = _of_the_machine(kind, text, home)
    if machine is not None:
        return machine
    for theirs, ours, hint in KINDS:
        if issubclass(kind, theirs):
            return ours(message, hint)
    if issubclass(kind, duckdb.Error) and NO_PLACE.match(message):
        return NotFound(message.rstrip("!"), "run show all tables")
    if issubclass(kind, duckdb.CatalogException):
        return _catalog_error(text, home)
    if issubclass(kind, duckdb.BinderException | duckdb.ParserException):
        if TOO_DEEP in message:
            return Invalid("the statement is nested too deeply", "split it")
        return Invalid(message + _place(text), _candidates(text) or _as_query(text) or "correct the statement")
    if issubclass(kind, duckdb.Error | pa.ArrowInvalid | ValueError | TypeError | OverflowError):
        kind_of_error = Conflict if "onflict" in text and "ransaction" in text else Invalid
        return kind_of_error(message, _as_list(message) or "correct the statement or its values")
    if UNREADABLE_VALUE in text:
        return Invalid("a value cannot be passed to the engine", "pass numbers, texts, dates, bytes, lists or dicts")
    return Internal(message or type(error).__name__)


def _is_from_the_keyboard(error: BaseException, text: str) -> bool:
    """Whether the engine was broken off by Ctrl-C: by its own look for signals, or within a kernel in this thread."""
    if isinstance(error.__cause__, KeyboardInterrupt):
        return True
    return threading.current_thread() is threading.main_thread() and bool(KEYBOARD.fullmatch(text.strip()))


def _of_the_machine(kind: type[BaseException], text: str, home: str) -> Busy | None:
    """The error for a memory or a disk that is full, and for files of the home that this user may not use."""
    if issubclass(kind, MemoryError) or (kind is RuntimeError and NO_THREAD in text):
        return Busy("the memory is full", "ask for less, or give the lake more memory; nothing was half-written")
    if not issubclass(kind, duckdb.IOException | duckdb.TransactionException | OSError):
        return None
    if any(full in text for full in FULL_DISK):
        return Busy("the disk is full", "free space and repeat; nothing was half-written")
    reason = next((closed for closed in CLOSED_FILES if closed in text), None)
    file = re.search(re.escape(home) + r"(/[^\"'\n]*)?(?=[\"'\n]|$)", text) if reason and home else None
    if file is None:
        return None
    return Busy(
        f"the home {Path(home).name!r} cannot be read or written: {reason}, {scrub(file.group(), home)}",
        "let the user of this process read and write that folder and all that is in it, and repeat",
    )


def _as_query(text: str) -> str | None:
    """What to write where a name stands alone in the place of a text, or of a query."""
    found = NO_FROM.search(text)
    if found:
        return f"a text stands in quotes: '{found.group(1)}', and so does a query: 'from {found.group(1)}'"
    found = ONE_NAME.search(text)
    return f"to read a table: from {found.group(1)}" if found else None


def _as_list(message: str) -> str | None:
    """What to write where one text stands and a list of texts is wanted."""
    found = NO_LIST.match(message)
    return f"a list is wanted: ['{found.group(1)}']" if found else None


def ends_the_engine(error: BaseException) -> bool:
    """Whether the instance of the engine cannot be used any more after `error`."""
    text = str(error)
    kind = _kind(error, text)
    return issubclass(kind, duckdb.FatalException) or (issubclass(kind, duckdb.Error) and INVALIDATED in text)


def unopened(error: Exception, home: str) -> LakehouseError:
    """The error for a home whose files cannot be opened."""
    text, name = str(error), Path(home).name
    if OPEN_HERE in text:
        return Conflict(f"the home {name!r} is open in this process already", "close it there first, or use it there")
    if any(part in text for part in OPEN_ELSEWHERE):
        return Conflict(
            f"the home {name!r} is open in another process",
            "end that process, connect to it if it serves (server.json has its address), or choose another --home",
        )
    fault = translate(error, home)
    if isinstance(fault, Busy):  # the files are well, the machine is not
        return fault
    return Internal(f"the home cannot be opened: {fault.message}", "restore it from a backup")


def _kind(error: BaseException, text: str) -> type[BaseException]:
    """The class of the engine that an error stands for: what a stream raises has lost it but for its text."""
    if isinstance(error, OSError | pa.ArrowException) and (found := PREFIX.match(text)):
        return NAMED.get(found.group(1).replace(" ", "").lower(), duckdb.Error)
    return type(error)


def scrub(text: str, home: str = "") -> str:
    """`text` without the folder of the home and without the paths of source files."""
    if home:
        text = text.replace(home, "<home>")
    return re.sub(r"(/[\w.+-]+){2,}/site-packages/\S+", "<package>", text)


def _first_line(text: str) -> str:
    return PREFIX.sub("", text.strip().partition("\n")[0])


def _place(text: str) -> str:
    found = re.search(r"LINE (\d+): (.*)\n(\s*)\^", text)
    return f" (line {found.group(1)}, near {_near(found)!r})" if found else ""


def _near(found: re.Match[str]) -> str:
    column = len(found.group(3)) - len(f"LINE {found.group(1)}: ")
    return found.group(2)[max(column, 0) :][:30]


def _candidates(text: str) -> str | None:
    found = re.search(r"Candidate (?:bindings|macros|functions):\s*(.+?)(?:\n\n|$)", text, re.DOTALL)
    suggestion = re.search(r'Did you mean "?([^"\n?]+)"?\??', text)
    if suggestion:
        return f"did you mean {suggestion.group(1)!r}?"
    if not found:
        return None
    return "known: " + ", ".join(line.strip() for line in found.group(1).split("\n") if line.strip())[:300]


def _catalog_error(text: str, home: str) -> LakehouseError:
    message = scrub(_first_line(text), home).rstrip("!")
    if "already exists" in message:
        return Conflict(message, "use create or replace, or another name")
    if "write-write conflict" in message:
        return Conflict(message, "repeat the statement")
    hint = _candidates(text) or "see lake.datasets, lake.corpora and lake.functions"
    return NotFound(message + _place(text), hint) if "does not exist" in message else Invalid(message, hint)
