"""Batches as they may go on the wire: small enough for every client, and on a stream that can carry their types."""

from collections.abc import Iterator

import pyarrow as pa

MESSAGE_BYTES = 2 << 20  # ADBC refuses messages above 16 MiB; small ones overlap producing and sending


def has_dictionary(schema: pa.Schema) -> bool:
    """Whether a column, or a part of one, is dictionary-encoded (an ENUM)."""
    return any(_is_dictionary(field.type) for field in schema)


def _is_dictionary(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        return True
    return any(_is_dictionary(kind.field(index).type) for index in range(kind.num_fields))


def split(batch: pa.RecordBatch, limit: int = MESSAGE_BYTES) -> Iterator[pa.RecordBatch]:
    """`batch` in parts of at most about `limit` bytes; a single row is never split."""
    if batch.nbytes <= limit or batch.num_rows <= 1:
        yield batch
        return
    size = sum(_size(column) for column in batch.columns)
    if size <= limit:
        yield batch
        return
    rows = max(1, batch.num_rows * limit // (size + 1))
    for start in range(0, batch.num_rows, rows):
        part = batch.slice(start, rows)
        if part.num_rows == batch.num_rows:
            yield part
        else:
            yield from split(part, limit)


def _size(column: pa.Array) -> int:
    # A dictionary counts in full in every slice, so that splitting would never make it small enough.
    return 8 * len(column) if _is_dictionary(column.type) else int(column.nbytes)
