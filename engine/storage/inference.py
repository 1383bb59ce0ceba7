"""What a column of text holds: int64, float64, bool, date or timestamp when *every* cell does, else string.

A sample rules out most types at once; what is left is proved over all rows. A cell that a number or a date could not
give back as it stood (`007`, `+49123`, `12345678901234567890`) keeps its column a string.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from engine import duck
from engine.errors import Invalid
from engine.storage.columns import Column

SAMPLE_ROWS = 2048
SAMPLE = "lakehouse_sample"
MOMENT = r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d(:\d\d([.]\d{1,6})?)?"
ZONE = r" ?(Z|[+-]\d\d(:?\d\d)?)"
TIMESTAMPTZ = "TIMESTAMP WITH TIME ZONE"
TIMES = ("DATE", "TIMESTAMP", TIMESTAMPTZ)
TYPES = ("BOOLEAN", "BIGINT", "DOUBLE", *TIMES)


@dataclass(frozen=True)
class Formats:
    """How numbers and dates are written in a file."""

    decimal: str = "."
    date: str | None = None
    timestamp: str | None = None

    def test(self, type: str, cell: str) -> str:
        """SQL: whether the text `cell` (an expression) says a value of `type` and nothing else."""
        type_cast = f"try_cast({cell} as {type})"
        if type == "BOOLEAN":
            return f"lower({cell}) in ('true', 'false')"
        if type == "DATE" and self.date is None:
            return f"length({cell}) = 10 and cast({type_cast} as varchar) = {cell}"
        if type in ("DOUBLE", "FLOAT"):
            return self._number(cell)
        if type.startswith("DECIMAL"):
            return (
                f"{self._number(cell)} and cast({self.value(type, cell, 'try_cast')} as double) = {self._double(cell)}"
            )
        if type == "TIMESTAMP" and self.timestamp is None:
            return f"regexp_full_match({cell}, '{MOMENT}') and {type_cast} is not null"
        if type == TIMESTAMPTZ:
            return f"regexp_full_match({cell}, '{MOMENT}{ZONE}') and {type_cast} is not null"
        if type in ("DATE", "TIMESTAMP"):
            return f"{self.value(type, cell, 'try_cast')} is not null"
        return f"cast({type_cast} as varchar) = {cell}"

    def value(self, type: str, cell: str, cast: str = "cast") -> str:
        """SQL: the text `cell` as a value of `type`; with `try_cast`, NULL where it is none."""
        pattern = {"DATE": self.date, "TIMESTAMP": self.timestamp}.get(type)
        if pattern is not None:
            parse = "strptime" if cast == "cast" else "try_strptime"
            return f"cast({parse}({cell}, {duck.literal(pattern)}) as {type})"
        if self.decimal != "." and (type in ("DOUBLE", "FLOAT") or type.startswith("DECIMAL")):
            cell = f"replace({cell}, {duck.literal(self.decimal)}, '.')"
        return cell if type == "VARCHAR" else f"{cast}({cell} as {type})"

    def _double(self, cell: str) -> str:
        return self.value("DOUBLE", cell, "try_cast")

    def _number(self, cell: str) -> str:
        # A whole part of at most 15 digits is below 2^53, where a double still holds every integer.
        pattern = rf"-?(0|[1-9][0-9]{{0,14}})?([{re.escape(self.decimal)}][0-9]*)?([eE][-+]?[0-9]{{1,3}})?"
        return f"regexp_full_match({cell}, {duck.literal(pattern)}) and isfinite({self._double(cell)})"


ISO = Formats()


@dataclass
class Proof:
    """One column: the types that are still possible, best first; the last is always possible."""

    name: str
    candidates: list[str]
    kind: str = "open"  # open; wanted: the dataset's type; given: the caller's type
    seen: bool = True  # whether the sample had a value
    example: str | None = None

    @property
    def proved(self) -> bool:
        """Whether nothing is left to test."""
        return self.candidates[0] == "VARCHAR"


@dataclass(frozen=True)
class Inferred:
    """What was found: the columns by name, and the rows by file ('' when files are not told apart)."""

    columns: dict[str, Column]
    rows: dict[str, int] = field(default_factory=dict)


def infer(
    cursor: duck.Cursor,
    relation: str,
    names: Sequence[str],
    *,
    wanted: Mapping[str, str],
    given: Mapping[str, str],
    check: Callable[[], None],
    formats: Formats = ISO,
    candidates: Sequence[str] = TYPES,
    file_column: str | None = None,
) -> Inferred:
    """Find the types of the text columns `names` of `relation` (a select).

    `wanted` are types of the dataset, which win when every cell fits them; `given` are types that the caller named: a
    cell that does not fit is Invalid. `check` may raise before each pass over the files. Rows are counted by
    `file_column` where it is given.
    """
    proofs = [_proof(name, wanted, given, candidates) for name in names]
    check()
    _sample(cursor, relation, [proof for proof in proofs if proof.kind == "open"], formats)
    found: dict[str, Column] = {proof.name: Column(proof.name, "VARCHAR") for proof in proofs if proof.proved}
    left = [proof for proof in proofs if not proof.proved]
    rows = _pass(cursor, relation, left, formats, file_column, found)
    while left := [proof for proof in left if proof.name not in found]:
        check()
        _pass(cursor, relation, left, formats, None, found)
    return Inferred({name: found[name] for name in names}, rows)


def _proof(name: str, wanted: Mapping[str, str], given: Mapping[str, str], candidates: Sequence[str]) -> Proof:
    if name in given:
        return Proof(name, [given[name], "VARCHAR"], "given")
    if name in wanted:
        return Proof(name, [wanted[name], "VARCHAR"], "wanted")
    return Proof(name, [*candidates, "VARCHAR"])


def _sample(cursor: duck.Cursor, relation: str, proofs: list[Proof], formats: Formats) -> None:
    """Strike the types that a first few rows rule out. One query whatever the number of columns."""
    if not proofs:
        return
    columns = ", ".join(duck.identifier(proof.name) for proof in proofs)
    cursor.execute(f"create or replace temp table {SAMPLE} as select {columns} from ({relation}) limit {SAMPLE_ROWS}")
    types = list(dict.fromkeys(type for proof in proofs for type in proof.candidates if type != "VARCHAR"))
    counts = "".join(f", count(*) filter ({formats.test(type, 'cell')})" for type in types)
    rows = cursor.execute(
        f"select name, count(*){counts} from (unpivot {SAMPLE} on columns(*) into name name value cell) group by name"
    ).fetchall()
    cursor.execute(f"drop table {SAMPLE}")
    seen = {
        name: {type: count == total for type, count in zip(types, fits, strict=True)} for name, total, *fits in rows
    }
    for proof in proofs:
        proof.seen = proof.name in seen
        if proof.seen:
            proof.candidates = [type for type in proof.candidates if seen[proof.name].get(type, True)]


def _pass(
    cursor: duck.Cursor,
    relation: str,
    proofs: list[Proof],
    formats: Formats,
    file_column: str | None,
    found: dict[str, Column],
) -> dict[str, int]:
    """Test the best candidate of each column over all rows; what is decided goes to `found`. Answers rows by file."""
    group = duck.identifier(file_column) if file_column else "''"
    aggregates = "".join(f", {_misfit(proof, formats)}, {_filled(proof)}" for proof in proofs)
    by_file = cursor.execute(f"select {group}, count(*){aggregates} from ({relation}) group by 1").fetchall()
    for at, proof in enumerate(proofs):
        misfits = [row[2 + 2 * at] for row in by_file if row[2 + 2 * at] is not None]
        filled = any(row[3 + 2 * at] for row in by_file)
        _decide(proof, misfits[0] if misfits else None, filled, found)
    return {file: count for file, count, *_ in by_file}


def _misfit(proof: Proof, formats: Formats) -> str:
    cell, type = duck.identifier(proof.name), proof.candidates[0]
    if proof.kind == "given":
        test = f"{formats.value(type, cell, 'try_cast')} is not null"
    elif proof.kind == "wanted" and type == "TIMESTAMP":
        test = f"({formats.test('DATE', cell)}) or ({formats.test(type, cell)})"
    else:
        test = formats.test(type, cell)
    return f"max(case when {test} then null else left({cell}, 60) end)"  # a filter clause here plans in quadratic time


def _filled(proof: Proof) -> str:
    return "1" if proof.seen else f"count({duck.identifier(proof.name)})"


def _decide(proof: Proof, misfit: str | None, filled: bool, found: dict[str, Column]) -> None:
    if misfit is None:
        nothing = proof.kind == "open" and not filled
        found[proof.name] = Column(proof.name, "VARCHAR" if nothing else proof.candidates[0])
        return
    if proof.kind == "given":
        raise Invalid(f"column {proof.name!r}: {misfit!r} is not {proof.candidates[0]}", "correct the cell or the type")
    proof.candidates = proof.candidates[1:]
    if proof.proved:
        found[proof.name] = Column(proof.name, "VARCHAR", misfit)
