"""The metadata of a result: as it is, or what a grant shows of it."""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from engine import duck
from engine.search import filters
from engine.search.generation import Generation
from engine.search.retrieval import Scope
from engine.search.segment import Segment
from engine.search.vectors.protocol import Rows

if TYPE_CHECKING:
    from engine.lake import Lake


class Metadata:
    """Metadata of documents as JSON, for one caller."""

    def __init__(self, lake: "Lake", scope: Scope) -> None:
        """`scope` knows which corpora are shown in part."""
        self._lake, self.scope = lake, scope

    def of(self, documents: Rows) -> list[str]:
        """The metadata of some documents, by their numbers in the scope."""
        numbering = self.scope.numbering
        partly = [number for number, corpus in enumerate(numbering.corpora) if self._is_shown_in_part(corpus)]
        if not partly:
            return numbering.metadata(documents)
        in_part = np.isin(numbering.corpus(documents), partly)
        found = np.empty(len(documents), np.object_)
        found[~in_part] = numbering.metadata(documents[~in_part])
        found[in_part] = [self._shown(*numbering.document(number)) for number in documents[in_part].tolist()]
        return list(found)

    def _is_shown_in_part(self, corpus: str) -> bool:
        shown = self.scope.shown.get(corpus)
        return shown is not None and (shown.grant.columns is not None or bool(shown.grant.masks))

    def values(self, documents: Rows, column: str) -> list[object]:
        """What some documents have in a column, as it is shown; None where their corpus shows no such column."""
        found: list[object] = [None] * len(documents)
        for generation, segment, at, rows in self.scope.numbering.segments(documents):
            shown = self.scope.shown.get(generation.corpus)
            grant = None if shown is None else shown.grant
            if filters.missing([column], generation, grant):
                continue
            with (
                self._lake.cursor() as cursor,
                filters.registered(cursor, segment, rows, grant, self._lake.mask_key) as relation,
            ):
                values = duck.table(cursor, f"select {duck.identifier(column)} from {relation}").column(0)
            for position, value in zip(at.tolist(), values.to_pylist(), strict=True):
                found[position] = value
        return found

    def first_of(self, documents: Rows, columns: Sequence[str]) -> list[str | None]:
        """The first of some columns in which each document has something, as it is shown; None without any."""
        numbering = self.scope.numbering
        partly = [number for number, corpus in enumerate(numbering.corpora) if self._is_shown_in_part(corpus)]
        in_part = np.isin(numbering.corpus(documents), partly)
        found = np.full(len(documents), None, np.object_)
        whole = (json.loads(one or "{}") for one in numbering.metadata(documents[~in_part]))
        found[~in_part] = [next((str(one[name]) for name in columns if one.get(name)), None) for one in whole]
        if in_part.any():
            shown = zip(*(self.values(documents[in_part], name) for name in columns), strict=True)
            found[in_part] = [next((str(value) for value in values if value), None) for values in shown]
        return list(found)

    def _shown(self, generation: Generation, segment: Segment, document: int) -> str:
        grant = self.scope.shown[generation.corpus].grant
        names = filters.columns(generation, grant)
        packed = ", ".join(f"{duck.identifier(name)} := {duck.identifier(name)}" for name in names)
        if not packed:
            return "{}"
        with self._lake.cursor() as cursor:
            row = np.array([document], np.int64)
            with filters.registered(cursor, segment, row, grant, self._lake.mask_key) as relation:
                found = duck.table(cursor, f"select to_json(struct_pack({packed}))::varchar from {relation}")
        return str(found.column(0)[0].as_py())
