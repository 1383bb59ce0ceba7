"""How much a result may hold, by the role of who asks."""

from dataclasses import dataclass

import pyarrow as pa

from engine.errors import Invalid


@dataclass
class Measure:
    """Counts the rows and bytes of one result against its bounds; 0 = none."""

    who: str  # as it stands in the error
    most_rows: int
    most_bytes: int
    rows: int = 0
    bytes: int = 0

    def add(self, batch: pa.RecordBatch) -> int:
        """Count a batch; returns its bytes. Raises Invalid when the result is larger than it may be."""
        size: int = batch.nbytes
        self.rows += batch.num_rows
        self.bytes += size
        if self.most_rows and self.rows > self.most_rows:
            raise Invalid(
                f"the result has more than the {self.most_rows} rows that {self.who} may read at once",
                "aggregate it, add a limit, or ask for another role",
            )
        if self.most_bytes and self.bytes > self.most_bytes:
            raise Invalid(
                f"the result has more than the {self.most_bytes} bytes that {self.who} may read at once",
                "select fewer columns, add a limit, or ask for another role",
            )
        return size
