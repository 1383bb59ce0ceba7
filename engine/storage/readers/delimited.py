"""CSV and its kin: strict RFC 4180, every cell read as text first, so that nothing is dropped, padded or guessed.

The delimiter and the names come from the head of each file; DuckDB reads the rest with both given. Its own detection is
off: it would take another delimiter, skip lines or lose quotes to make a broken file fit.
"""

import codecs
import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import pyarrow as pa

from engine import duck
from engine.errors import Conflict, Invalid
from engine.storage.columns import check_names, fold, pick
from engine.storage.files import SourceFile
from engine.storage.inference import Formats, infer
from engine.storage.options import Options
from engine.storage.readers.reading import FILE_COLUMN, Reading, Wish, with_room

HEAD_BYTES = 1 << 20
HEAD_RECORDS = 50
DELIMITERS = (",", "\t", ";", "|")
LINE_BYTES = 2_000_000  # the defaults of DuckDB
BUFFER_BYTES = 32_000_000
BOMS = {codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}


@dataclass(frozen=True)
class Head:
    """How a file begins."""

    delim: str
    names: tuple[str, ...]
    skip: int


def read(cursor: duck.Cursor, wish: Wish) -> Reading:
    """Read CSV files. Raises Invalid naming file and line, Conflict when the files differ in their columns."""
    heads = [_head(file, wish.options) for file in wish.files]
    for file, head in zip(wish.files, heads, strict=True):
        check_names(head.names, file.name, wish.max_columns)
    _check_alike(wish.files, heads)
    return with_room(
        lambda room: _read(cursor, wish, heads, room), LINE_BYTES, wish.max_cell_bytes, "Maximum line size"
    )


def _read(cursor: duck.Cursor, wish: Wish, heads: Sequence[Head], room: int) -> Reading:
    names = list(heads[0].names)
    given = dict(zip(pick(wish.given, names, "types"), wish.given.values(), strict=True))
    options = wish.options
    formats = Formats(options.decimal_separator, options.dateformat, options.timestampformat)
    relation = _relation(wish, heads, room)
    several = FILE_COLUMN if len(wish.files) > 1 else None
    found = infer(
        cursor, relation, names, wanted=wish.wanted_for(names), given=given, check=wish.check, formats=formats,
        file_column=several,
    )  # fmt: skip
    values = [
        f"{formats.value(found.columns[name].type, duck.identifier(name))} as {duck.identifier(name)}" for name in names
    ]
    rows = found.rows if several else {str(wish.files[0].location.path): found.rows.get("", 0)}
    return Reading(list(found.columns.values()), f"select {', '.join(values)} from ({relation})", rows)


def _relation(wish: Wish, heads: Sequence[Head], room: int) -> str:
    """All files as one select of text columns and the path; files that begin alike share one scan."""
    groups: dict[Head, list[SourceFile]] = {}
    for file, head in zip(wish.files, heads, strict=True):
        groups.setdefault(head, []).append(file)
    return " union all by name ".join(
        f"select * from {_scan(wish, head, files, room)}" for head, files in groups.items()
    )


def _scan(wish: Wish, head: Head, files: list[SourceFile], room: int) -> str:
    options = wish.options
    columns = ", ".join(f"{duck.literal(name)}: 'VARCHAR'" for name in head.names)
    arguments = {
        "columns": f"{{{columns}}}",
        "auto_detect": "false",
        "header": str(options.header).lower(),
        "delim": duck.literal(head.delim),
        "quote": duck.literal(options.quote),
        "escape": duck.literal(options.escape or options.quote),
        "skip": str(head.skip),
        "comment": duck.literal(options.comment),
        "nullstr": "[" + ", ".join(duck.literal(text) for text in options.nullstr) + "]",
        "encoding": duck.literal(options.encoding),
        "strict_mode": str(options.strict).lower(),
        "max_line_size": str(room),
        "buffer_size": str(max(BUFFER_BYTES, 2 * room)),
        "hive_partitioning": "false",
        "filename": duck.literal(FILE_COLUMN),
    }
    paths = "[" + ", ".join(duck.literal(file.location.scanned()) for file in files) + "]"
    return f"read_csv({paths}, {', '.join(f'{name} = {value}' for name, value in arguments.items())})"


def _head(file: SourceFile, options: Options) -> Head:
    text = _text(file, options.encoding)
    lines = text.split("\n", options.skip)
    text = lines[-1] if len(lines) > options.skip else ""
    delim = options.delim or ("\t" if ".tsv" in file.name.lower() else _delimiter(text, options))
    for blank, record in enumerate(_records(text, delim, options)):
        if record:
            names = tuple(record) if options.header else _names(record, options)
            return Head(delim, names, options.skip + blank)
    raise Invalid(f"{file.name} is empty, or its header is too long", "a CSV file needs a header line at least")


def _names(record: list[str], options: Options) -> tuple[str, ...]:
    if options.names is None:
        return tuple(f"column{at}" for at in range(len(record)))
    return tuple(options.names)


def _text(file: SourceFile, encoding: str) -> str:
    """The head of a file, decoded, unpacked, without byte order mark."""
    place = file.location
    with pa.input_stream(str(place.path), compression=place.compression) as stream:
        data = stream.read(HEAD_BYTES)
    for mark, named in BOMS.items():
        if data.startswith(mark) and encoding != named:
            raise Invalid(f"{file.name} is not {encoding} but {named}", f"options := {{'encoding': '{named}'}}")
    try:
        text = codecs.getincrementaldecoder(encoding)().decode(data, final=len(data) < HEAD_BYTES)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise Invalid(
            f"{file.name} line {line}: this is not {encoding}", "name it: options := {'encoding': 'latin-1'}"
        ) from None
    return text.removeprefix("\ufeff")


def _records(text: str, delim: str, options: Options) -> Iterator[list[str]]:
    escape = options.escape if options.escape != options.quote else None
    settings = {"delimiter": delim, "doublequote": escape is None, "escapechar": escape}
    if options.quote:
        rows = csv.reader(io.StringIO(text, newline=""), quotechar=options.quote, **settings)  # type: ignore[arg-type]
    else:
        rows = csv.reader(io.StringIO(text, newline=""), quoting=csv.QUOTE_NONE, **settings)  # type: ignore[arg-type]
    try:
        yield from rows
    except csv.Error:  # a cell that is too long for this module; whether it is in order, DuckDB will say
        return


def _delimiter(text: str, options: Options) -> str:
    """The delimiter that splits the most of the first records as it splits the header."""

    def merit(delim: str) -> tuple[bool, int, int]:
        records = [record for record in islice(_records(text, delim, options), HEAD_RECORDS) if record]
        width = len(records[0]) if records else 0
        return (width > 1, sum(len(record) == width for record in records), width)

    return max(DELIMITERS, key=merit)


def _check_alike(files: Sequence[SourceFile], heads: Sequence[Head]) -> None:
    first = {fold(name): name for name in heads[0].names}
    for file, head in zip(files, heads, strict=True):
        names = {fold(name): name for name in head.names}
        differing = [
            *(first[key] for key in first if key not in names),
            *(names[key] for key in names if key not in first),
        ]
        if differing:
            raise Conflict(
                f"{file.name} and {files[0].name} differ in the column {differing[0]!r}", "ingest them as two datasets"
            )
