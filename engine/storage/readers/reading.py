"""A reading: the files of one call as a select, with its columns and the rows of each file."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from engine import duck
from engine.storage.columns import Column, fold
from engine.storage.files import SourceFile
from engine.storage.options import Options

FILE_COLUMN = "lakehouse:file"  # where the reader puts the path; no file can have a column of this name by chance


@dataclass(frozen=True)
class Reading:
    """What will be written: `select` answers with exactly `columns`, each of a type that can be kept."""

    columns: list[Column]
    select: str
    rows: dict[str, int] = field(default_factory=dict)  # by path; empty where only the write tells


@dataclass(frozen=True)
class Wish:
    """What a reader is asked for."""

    files: Sequence[SourceFile]
    options: Options
    wanted: Mapping[str, str]  # types of the dataset by folded column name
    given: Mapping[str, str]  # types that the caller named, by column
    max_columns: int
    max_cell_bytes: int
    check: Callable[[], None]

    def paths(self) -> str:
        """The files as a SQL list."""
        return "[" + ", ".join(duck.literal(file.location.scanned()) for file in self.files) + "]"

    def wanted_for(self, names: Sequence[str]) -> dict[str, str]:
        """The dataset's types by the names of the file."""
        return {name: self.wanted[fold(name)] for name in names if fold(name) in self.wanted}


def with_room(read: Callable[[int], Reading], usual: int, largest: int, sign: str) -> Reading:
    """Read with room for cells of the usual size, and once more with the largest when one does not fit.

    Room costs memory for every thread, also where no cell needs it. `sign`: how DuckDB says that it was too little.
    """
    if largest > usual:
        try:
            return read(usual)
        except duck.Error as error:
            if sign not in str(error):
                raise
    return read(max(usual, largest))
