"""Vectors on disk: an Arrow file that is mapped, not read: opening costs nothing, and readers share the pages."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.ipc as ipc
import pyarrow.parquet as pq

from engine.errors import Internal, Invalid
from engine.search.vectors.protocol import Vectors

NAME = "vectors.arrow"
OLD_NAME = "vectors.parquet"  # of segments that were written before vectors were mapped
SHORTEST = 1e-6  # a shorter vector has no direction


def refuse_unusable(vectors: Vectors, dimension: int) -> None:
    """Raise Invalid, naming the first bad row, unless all vectors have the dimension, are finite and not zero."""
    if vectors.ndim != 2 or vectors.shape[1] != dimension:
        shape = " × ".join(str(length) for length in vectors.shape)
        raise Invalid(f"vectors of {dimension} dimensions are needed, not {shape}", "use the model of the corpus")
    with np.errstate(over="ignore", invalid="ignore"):
        squares = np.vecdot(vectors, vectors)
    bad = np.flatnonzero(~(np.isfinite(squares) & (squares >= SHORTEST**2)))
    if len(bad):
        what = "is zero" if np.isfinite(squares[bad[0]]) else "holds NaN or infinity"
        raise Invalid(f"vector {bad[0]} {what} ({len(bad)} such vectors)", "correct the embedder; nothing was added")


def write(folder: Path, vectors: Vectors) -> None:
    """Write vectors as one column of little-endian float32, a fixed number of bytes a row. Raises as above."""
    if len(vectors):
        refuse_unusable(vectors, vectors.shape[1])
    little = np.ascontiguousarray(vectors, "<f4")
    column = pa.FixedSizeBinaryArray.from_buffers(
        pa.binary(little.shape[1] * 4), len(little), [None, pa.py_buffer(little)]
    )
    batch = pa.record_batch([column], names=["vector"])
    with ipc.new_file(folder / NAME, batch.schema) as writer:
        writer.write_batch(batch)


def read(folder: Path, dimension: int) -> Vectors:
    """What `write` wrote: float32 [rows, dimension], mapped. Raises Internal when the dimension is another one."""
    if not (folder / NAME).exists():
        return _read_parquet(folder / OLD_NAME, dimension)
    try:  # a large file is opened before its content was compared with its digest
        with pa.memory_map(str(folder / NAME)) as source:
            batch = ipc.open_file(source).get_batch(0)
    except pa.ArrowInvalid as error:
        what = f"the file {folder.name}/{NAME} of an index is damaged: {error}"
        raise Internal(what, "rebuild the corpus") from None
    column = batch.column(0)
    if column.type.byte_width != dimension * 4:
        raise Internal(f"{NAME} does not hold vectors of {dimension} dimensions", "rebuild the corpus")
    return np.frombuffer(column.buffers()[1], "<f4", len(column) * dimension).reshape(len(column), dimension)


def _read_parquet(path: Path, dimension: int) -> Vectors:
    column = pq.read_table(path, memory_map=True).column("vector").combine_chunks()
    if isinstance(column, pa.ChunkedArray):  # no row at all
        return np.empty((0, dimension), np.float32)
    offsets = np.frombuffer(column.buffers()[1], np.int32, len(column) + 1, column.offset * 4)
    flat = np.frombuffer(column.buffers()[2], "<f4", (offsets[-1] - offsets[0]) // 4, int(offsets[0]))
    if flat.size != len(column) * dimension:
        raise Internal(f"{path.name} does not hold vectors of {dimension} dimensions", "rebuild the corpus")
    return flat.reshape(len(column), dimension).astype(np.float32, copy=False)
