"""The metadata of a result: as it is, or what a grant shows of it."""

from typing import TYPE_CHECKING

import numpy as np

from engine import duck
from engine.search import filters
from engine.search.retrieval import Place, Scope

if TYPE_CHECKING:
    from engine.lake import Lake


class Metadata:
    """Metadata of documents as JSON, for one caller."""

    def __init__(self, lake: "Lake", scope: Scope) -> None:
        """`scope` knows which corpora are shown in part."""
        self._lake, self._scope = lake, scope

    def of(self, place: Place) -> str:
        """The metadata of the document there."""
        shown = self._scope.shown.get(place.generation.corpus)
        if shown is None or (shown.grant.columns is None and not shown.grant.masks):
            return place.segment.metadata(place.document)
        names = filters.columns(place.generation, shown.grant)
        packed = ", ".join(f"{duck.identifier(name)} := {duck.identifier(name)}" for name in names)
        if not packed:
            return "{}"
        with self._lake.cursor() as cursor:
            row = np.array([place.document], np.int64)
            with filters.registered(cursor, place.segment, row, shown.grant, self._lake.mask_key) as relation:
                found = duck.table(cursor, f"select to_json(struct_pack({packed}))::varchar from {relation}")
        return str(found.column(0)[0].as_py())
