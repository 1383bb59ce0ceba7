"""From what the engine says to what the user reads: DuckDB's exceptions become errors of ours, without paths."""

import re

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

KINDS: tuple[tuple[type[Exception], type[LakehouseError], str | None], ...] = (
    (duckdb.InterruptException, TimedOut, "raise the time limit or narrow the statement"),
    (duckdb.PermissionException, Forbidden, "only the folders of the configuration can be read ([ingest] allowed)"),
    (duckdb.ConstraintException, Conflict, "correct the rows and repeat"),
    (duckdb.TransactionException, Conflict, "repeat the transaction"),
    (duckdb.OutOfMemoryException, Busy, "narrow the statement or raise [engine] memory_limit"),
    (duckdb.FatalException, Internal, "the engine must be reopened: restart the server"),
    (duckdb.InternalException, Internal, "please report it"),
)


def translate(error: BaseException, home: str = "") -> LakehouseError:
    """The error a user sees for `error`; the folder `home` is removed from its text."""
    if isinstance(error, LakehouseError):
        return error
    text = str(error).partition("\n\nAt:\n")[0]
    coded = parse(text) if KERNEL_FAILED in text else None
    if coded:
        return coded
    if KERNEL_FAILED in text:
        return Internal(scrub(text.partition(KERNEL_FAILED)[2].lstrip(": "), home))
    if "No space left on device" in text or "could not allocate" in text.lower():
        return Busy("the disk is full", "free space and repeat; nothing was half-written")
    if "INTERRUPT" in text:
        return TimedOut("the statement was cancelled", "repeat it or narrow it")
    for kind, ours, hint in KINDS:
        if isinstance(error, kind):
            return ours(scrub(_first_line(text), home), hint)
    if isinstance(error, duckdb.CatalogException):
        return _catalog_error(text, home)
    if isinstance(error, duckdb.BinderException | duckdb.ParserException):
        return Invalid(scrub(_first_line(text), home) + _place(text), _candidates(text))
    if isinstance(error, duckdb.Error | pa.ArrowInvalid | ValueError | TypeError | OverflowError):
        kind_of_error = Conflict if "onflict" in text and "ransaction" in text else Invalid
        return kind_of_error(scrub(_first_line(text), home), "correct the statement or its values")
    return Internal(scrub(_first_line(text) or type(error).__name__, home))


def scrub(text: str, home: str = "") -> str:
    """`text` without the folder of the home and without the paths of source files."""
    if home:
        text = text.replace(home, "<home>")
    return re.sub(r"(/[\w.+-]+){2,}/site-packages/\S+", "<package>", text)


def _first_line(text: str) -> str:
    first = text.strip().partition("\n")[0]
    return re.sub(r"^[A-Z][A-Za-z ]{2,30} Error: ", "", first)


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
    return " or ".join(line.strip() for line in found.group(1).split("\n") if line.strip())[:300] if found else None


def _catalog_error(text: str, home: str) -> LakehouseError:
    message = scrub(_first_line(text), home).rstrip("!")
    if "already exists" in message:
        return Conflict(message, "use create or replace, or another name")
    if "write-write conflict" in message:
        return Conflict(message, "repeat the statement")
    hint = _candidates(text) or "see lake.datasets, lake.corpora and lake.functions"
    return NotFound(message + _place(text), hint) if "does not exist" in message else Invalid(message, hint)
