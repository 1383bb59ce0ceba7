"""Recorded outcomes on disk: the table control.playbook, a row each with the vector of its question."""

from collections.abc import Iterator, Sequence
from operator import attrgetter

import numpy as np
import pyarrow as pa

from engine import duck
from engine.memory.playbook import Playbook
from engine.memory.questions import Vector

Outcome = tuple[Playbook, Vector]

KINDS = {
    "playbook_id": pa.string(),
    "query": pa.string(),
    "corpus": pa.string(),
    "id": pa.string(),
    "score": pa.float64(),
    "role": pa.string(),
    "note": pa.string(),
    "model": pa.string(),
    "recorded_at": pa.float64(),
}
FIELDS = attrgetter(*KINDS)
COLUMNS = ", ".join([*KINDS, "vector"])
BATCH = "playbook_batch"
SEVERAL = 16  # rows from which on they are written as one table


def read(cursor: duck.Cursor) -> Iterator[list[Outcome]]:
    """All outcomes by their ids, some at a time."""
    selected = COLUMNS.replace("recorded_at", "epoch(recorded_at) as recorded_at")
    table = duck.table(cursor, f"select {selected} from control.playbook order by playbook_id")
    for batch in table.to_batches():
        rows = zip(*(column.to_pylist() for column in batch.columns), strict=True)
        yield [(Playbook(*row), np.frombuffer(vector, "<f4")) for *row, vector in rows]


def put(cursor: duck.Cursor, outcomes: Sequence[Outcome]) -> None:
    """Write outcomes, each in the place of one of the same id."""
    insert = f"insert or replace into control.playbook ({COLUMNS})"
    if len(outcomes) < SEVERAL:
        for playbook, vector in outcomes:
            row = [*FIELDS(playbook), vector.astype("<f4").tobytes()]
            cursor.execute(f"{insert} values (?, ?, ?, ?, ?, ?, ?, ?, to_timestamp(?), ?)", row)
        return
    selected = COLUMNS.replace("recorded_at", "to_timestamp(recorded_at)")
    for model in dict.fromkeys(one.model for one, _ in outcomes):
        cursor.register(BATCH, _table([pair for pair in outcomes if pair[0].model == model]))
        try:
            cursor.execute(f"{insert} select {selected} from temp.main.{BATCH}")
        finally:
            cursor.unregister(BATCH)


def delete(cursor: duck.Cursor, outcomes: Sequence[Playbook]) -> None:
    """Take outcomes away."""
    for one in outcomes:
        cursor.execute("delete from control.playbook where playbook_id = ?", [one.playbook_id])


def was_there(cursor: duck.Cursor, playbook_id: str) -> bool:
    """Whether the journal knows of an outcome: it was recorded once."""
    statement = "select 1 from control.journal where kind = 'outcome' and subject = ? limit 1"
    return cursor.execute(statement, [playbook_id]).fetchone() is not None


def _table(outcomes: Sequence[Outcome]) -> pa.Table:
    """Outcomes of one model, `COLUMNS`."""
    columns = {name: pa.array([getattr(one, name) for one, _ in outcomes], kind) for name, kind in KINDS.items()}
    vectors = np.stack([vector for _, vector in outcomes]).astype("<f4", copy=False)
    bits = pa.FixedSizeBinaryArray.from_buffers(
        pa.binary(vectors.itemsize * vectors.shape[1]), len(outcomes), [None, pa.py_buffer(vectors)]
    )
    return pa.table(columns | {"vector": bits})
