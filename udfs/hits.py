"""Hits: the answers of a search to the rows of a call, still in the columns in which they were made."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from engine.search.columns import Columns
from udfs.kernel import Columnar


@dataclass(frozen=True)
class Hits(Columnar):
    """For each row the rows of its answer."""

    columns: Sequence[Columns]
    answered: NDArray[np.int64]  # the number of the answer among all in `columns`; -1: none

    def column(self, kind: pa.DataType) -> pa.Array:
        """As a list of structs for each row."""
        fields = list(kind.value_type)
        parts = [
            pa.StructArray.from_arrays(
                [pa.array(values, field.type) for values, field in zip(one.values, fields, strict=True)], fields=fields
            )
            for one in self.columns
        ]
        hits = parts[0] if len(parts) == 1 else pa.concat_arrays(parts or [pa.array([], kind.value_type)])
        lengths = np.array([0, *(length for one in self.columns for length in one.lengths)], np.int64)
        lists = pa.ListArray.from_arrays(pa.array(np.cumsum(lengths), pa.int32()), hits)
        every = np.arange(len(lists))
        if len(self.answered) == len(every) and (self.answered == every).all():
            return lists
        empty = pa.array([[]], kind)
        return pa.concat_arrays([empty, lists]).take(pa.array(self.answered + 1))

    def value(self) -> list[tuple[Any, ...]]:
        """Those of the only row. As tuples: of dictionaries the engine reads the names of all fields in each row."""
        return [row for one in self.columns for row in one.tuples()]
