"""From what a reader says of a broken file to what the user reads: the file's name, the line, and what to do."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pyarrow as pa

from engine import duck
from engine.errors import Invalid, LakehouseError
from engine.storage.files import SourceFile

NAME_ENCODING = "name its encoding: options := {'encoding': 'latin-1'}"
LONGER = "raise [ingest] max_cell_bytes"


@contextmanager
def explained(files: Sequence[SourceFile]) -> Iterator[None]:
    """Turn what a reader raises for `files` into Invalid; everything else passes."""
    try:
        yield
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError) as error:
        raise _columnar(str(error), files) from None
    except OSError as error:
        raise Invalid(
            f"{_name(str(error), files)} cannot be read: {error.strerror or 'it is broken'}", "check the file"
        ) from None
    except duck.Error as error:
        found = explain(str(error), files)
        if found is None:
            raise
        raise found from None


def explain(text: str, files: Sequence[SourceFile]) -> LakehouseError | None:
    """The error for DuckDB's `text`, or None when it is not about the content of a file."""
    if "expected records" not in text and not any(str(file.location.path) in text for file in files):
        return _value(text, files)
    for read in (_csv, _json, _parquet, _value):
        found = read(text, files)
        if found is not None:
            return found
    return None


def _name(text: str, files: Sequence[SourceFile]) -> str:
    """The file that `text` is about."""
    for file in sorted(files, key=lambda file: -len(str(file.location.path))):
        if str(file.location.path) in text:
            return file.name
    return files[0].name if len(files) == 1 else "a file"


def _csv(text: str, files: Sequence[SourceFile]) -> LakehouseError | None:
    name = _name(text, files)
    if "state machine reached an invalid state" in text:
        return Invalid(
            f"{name} mixes line endings, or has a stray carriage return or quote",
            "write it with one kind of line ending, or options := {'strict': false}",
        )
    if "Invalid unicode" in text and "CSV" not in text:
        return Invalid(f"{name} is not utf-8", NAME_ENCODING)
    line = re.search(r"CSV Error on Line: (\d+)", text)
    if line is None:
        return None
    where = f"{name} line {line.group(1)}"
    width = re.search(r"Expected Number of Columns: (\d+) Found: (\d+)", text)
    if width:
        wanted, found = width.groups()
        hint = "correct the line, or name the delimiter: options := {'delim': ';'}"
        return Invalid(f"{where}: expected {wanted} columns, found {found}", hint)
    if "unterminated quote" in text:
        return Invalid(f"{where}: a quote is not closed, or text follows it", "double quotes that stand within quotes")
    if "Invalid unicode" in text:
        return Invalid(f"{where}: this is not utf-8", NAME_ENCODING)
    if "Maximum line size" in text:
        return Invalid(f"{where}: the line is too long", LONGER)
    return Invalid(f"{where}: {_reason(text)}", "correct the line")


def _reason(text: str) -> str:
    """The line that follows the original line in DuckDB's message."""
    after = text.split("Original Line:", 1)[-1].split("\n")[1:]
    return next((line.strip() for line in after if line.strip()), "the line cannot be read")


def _json(text: str, files: Sequence[SourceFile]) -> LakehouseError | None:
    name = _name(text, files)
    if "expected records" in text:
        return Invalid(f"{name} holds no JSON objects", "it must be an array of objects, or one object after another")
    if "maximum_object_size" in text:
        return Invalid(f"{name} holds an object that is too large", LONGER)
    broken = re.search(r'Malformed JSON in file ".*", at byte (\d+) in (line|record/value) (\d+): (.*?)\.', text, re.S)
    if broken:
        byte, kind, number, reason = broken.groups()  # DuckDB counts the broken line as the next one
        what = "line" if kind == "line" else "record"
        return Invalid(f"{name} {what} {int(number) - 1}: not valid JSON: {reason} at byte {byte}", "correct it")
    unfit = re.search(r'JSON transform error in file ".*", in (line|record/value) (\d+): ?([^\n]*)', text)
    if unfit:
        kind, number, reason = unfit.groups()
        what = "line" if kind == "line" else "record"
        return Invalid(f"{name} {what} {number}: {reason or 'a value does not fit its column'}", "correct it")
    return None


def _parquet(text: str, files: Sequence[SourceFile]) -> LakehouseError | None:
    signs = ("No magic bytes", "too small to be a Parquet file", "TProtocolException", "decompression failure")
    if any(sign in text for sign in signs) or re.search(r'Failed to read file "[^"]+"', text):
        return _columnar(text, files)
    return None


def _columnar(text: str, files: Sequence[SourceFile]) -> Invalid:
    file = next((one for one in files if one.name == _name(text, files)), files[0])
    return Invalid(f"{_name(text, files)} is not a whole {file.location.format} file", "write it again")


def _value(text: str, files: Sequence[SourceFile]) -> LakehouseError | None:
    if not text.startswith(("Conversion Error", "Invalid Input Error: Could not parse")):
        return None
    reason = text.partition("\n")[0].split(": ", 1)[-1]
    for file in files:
        reason = reason.replace(str(file.location.path), file.name)
    return Invalid(f"a value cannot be cast: {reason}", "see the types in options")
