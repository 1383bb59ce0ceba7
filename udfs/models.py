"""Kernels of the area models."""

from collections.abc import Sequence
from typing import Any

from udfs.kernel import Call, Row, batch_kernel


@batch_kernel("_embed", "VARCHAR", "FLOAT[]", "reads")
def embed(call: Call, rows: list[Row]) -> Sequence[Any]:
    """Vectors of texts, NULL for NULL; equal texts are embedded once."""
    embedder = call.lake.models.embedder()
    texts = list(dict.fromkeys(text for (text,) in rows if text is not None))
    vectors = dict(zip(texts, embedder.embed(texts, cancelled=call.cancelled), strict=True))
    return [vectors[text].tolist() if text is not None else None for (text,) in rows]


KERNELS = [embed]
