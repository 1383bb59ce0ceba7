"""What a column of text holds: int64, float64, bool, date or timestamp when *every* cell does, else string.

A sample rules out most types at once; what is left is proved over all rows. A cell that a number or a date could not
give back as it stood (`007`, `+49123`, `1e3` among integers, `12345678901234567890`) keeps its column a string.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from engine import duck
from engine.errors import Invalid
from engine.storage.columns import Column

SAMPLE = 2048
SAMPLE_TABLE = "lakehouse_sample"
NUMBER = "-?(0|[1-9][0-9]{0,14})?([.][0-9]*)?([eE][-+]?[0-9]{1,3})?"  # whole parts below 2^53 only
MOMENT = r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d(:\d\d([.]\d{1,6})?)?"
ZONE = r" ?(Z|[+-]\d\d(:?\d\d)?)"
TIMESTAMPTZ = "TIMESTAMP WITH TIME ZONE"
TYPES = ("BOOLEAN", "BIGINT", "DOUBLE", "DATE", "TIMESTAMP", TIMESTAMPTZ)
TIMES = ("DATE", "TIMESTAMP", TIMESTAMPTZ)


@dataclass(frozen=True)
class Formats:
    """How numbers and dates are written in the file."""

    decimal_separator: str = "."
    date: str | None = None
    timestamp: str | None = None


@dataclass
class Proof:
    """What is known of one column: the candidates that are left, best first."""

    candidates: list[str]
    empty_sample: bool = False
    example: str | None = None
    settled: str | None = None
    required: bool = False  # the caller named the type: there is no other


@dataclass(frozen=True)
class Inferred:
    """The types by column, and the rows of each file."""

    columns: list[Column]
    rows: dict[str, int] = field(default_factory=dict)


class Inference:
    """Finds the types of the columns of `relation`, a select of text columns and of `file_column`."""

    def __init__(
        self,
        cursor: duck.Cursor,
        relation: str,
        *,
        formats: Formats = Formats(),  # noqa: B008  # frozen
        candidates: Sequence[str] = TYPES,
        file_column: str | None = None,
        check: Callable[[], None] = lambda: None,
    ) -> None:
        """`file_column` is grouped by when there are several files; `check` is called before each pass."""
        self._cursor, self._relation, self._formats = cursor, relation, formats
        self._candidates, self._file_column, self._check = list(candidates), file_column, check

    def run(self, names: Sequence[str], texts: Sequence[str], wanted: Mapping[str, str], given: Mapping[str, str]) -> Inferred:
        """Types for `texts` of the columns `names`.

        `wanted`: types of the dataset, which win when every cell fits. `given`: types that the caller named; a cell
        that does not fit is Invalid.
        """
        proofs = {name: self._begin(name, wanted, given) for name in texts}
        self._sample([name for name, proof in proofs.items() if proof.settled is None and name not in wanted])
        rows: dict[str, int] = {}
        first = True
        while first or any(proof.settled is None for proof in proofs.values()):
            rows = self._pass({n: p for n, p in proofs.items() if p.settled is None}, rows)
            first = False
        return Inferred([Column(name, proofs[name].settled or "VARCHAR", proofs[name].example) for name in texts], rows)
