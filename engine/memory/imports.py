"""Many outcomes at once, from a query of the caller. A bad row is told and left out; the others are recorded."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from engine import duck
from engine.errors import Invalid, LakehouseError, TimedOut, nearest
from engine.memory.admission import Admission
from engine.memory.outcomes import Outcome
from engine.memory.playbook import Playbook
from engine.session import Session
from engine.statement import Statement

if TYPE_CHECKING:
    from engine.lake import Lake

REQUIRED = ("query", "corpus", "id", "score")
TEXTS = ("query", "corpus", "id", "role", "note")
EXAMPLE = "playbook_import('select query, corpus, id, score from judged')"


@dataclass
class Import:
    """One import: whose, and by which statement."""

    lake: "Lake"
    session: Session
    statement: Statement

    def run(self, rows: str | None) -> list[dict[str, Any]]:
        """Record what the query `rows` selects; a row each: index (from 0), playbook_id, status, error.

        The query runs with the rights of the caller and must only read. Raises Invalid for one that does not, or that
        lacks a column, and TimedOut when the caller cancels: nothing is recorded then.
        """
        if rows is None or not rows.strip():
            raise Invalid("the import needs a query", EXAMPLE)
        admission = Admission(self.lake, self.session.reach)
        answers: list[dict[str, Any]] = []
        admitted: list[tuple[int, Playbook]] = []
        for index, given in enumerate(self._given(rows)):
            answers.append({"index": index, "playbook_id": None, "status": "failed", "error": None})
            try:
                admitted.append((index, admission.admit(given)))
            except LakehouseError as error:
                answers[index]["error"] = str(self.session.scrubbed(error))
        self._record(admission, admitted, answers)
        return answers

    def _given(self, rows: str) -> list[tuple[Any, ...]]:
        checked = self.session.describe(rows)
        if not checked.is_query or checked.effect != "reads" or checked.schema is None:
            raise Invalid("the rows must come from a query that only reads", EXAMPLE)
        given: list[tuple[Any, ...]] = []
        with self.session.run(f"select {_columns(checked.schema)} from ({_alone(rows)}\n)") as result:
            for batch in result.batches():
                self.statement.check()
                *others, scores, told = (column.to_pylist() for column in batch.columns)
                scores = [text if score is None else score for score, text in zip(scores, told, strict=True)]
                given += zip(*others[:3], scores, *others[3:], strict=True)
        return given

    def _record(
        self, admission: Admission, admitted: list[tuple[int, Playbook]], answers: list[dict[str, Any]]
    ) -> None:
        """Record all outcomes at once; when the questions of a model cannot be embedded, those have failed."""
        embedded: list[tuple[int, Outcome]] = []
        for model in dict.fromkeys(one.model for _, one in admitted):
            mine = [pair for pair in admitted if pair[1].model == model]
            try:
                vectors = admission.vectors([one for _, one in mine], self.statement.cancelled.is_set)
                embedded += [(index, (one, vectors[one.query])) for index, one in mine]
            except TimedOut:
                raise
            except LakehouseError as error:
                for index, _ in mine:
                    answers[index]["error"] = str(self.session.scrubbed(error))
        embedded.sort(key=lambda pair: pair[0])
        statuses = self.lake.playbooks.record_many([one for _, one in embedded], self.session.profile)
        for (index, (one, _)), status in zip(embedded, statuses, strict=True):
            answers[index] |= {"playbook_id": one.playbook_id, "status": status}


def _columns(schema: pa.Schema) -> str:
    """What is selected of the rows: texts as SQL writes them, and scores as numbers, too; a lacking column is NULL."""
    names = {name.lower(): name for name in schema.names}
    for name in (*TEXTS, "score"):
        if sum(one.lower() == name for one in schema.names) > 1:
            raise Invalid(f"the query has several columns {name!r}", f"name one of them alone so, as in {EXAMPLE}")
    for name in REQUIRED:
        if name not in names:
            raise Invalid(f"the query has no column {name!r}", nearest(name, list(names)))
    texts = [f"cast({duck.identifier(names[name])} as varchar)" if name in names else "null" for name in TEXTS]
    score = duck.identifier(names["score"])
    if pa.types.is_boolean(schema.field(names["score"]).type):
        score = f"cast({score} as integer)"
    return ", ".join([*texts, f"try_cast(cast({score} as varchar) as double)", f"cast({score} as varchar)"])


def _alone(rows: str) -> str:
    """A query without the semicolons and comments at its end."""
    data = rows.encode()
    end = len(data)
    for start, kind in reversed(duck.tokens(rows)):
        if kind != "comment" and data[start : start + 1] != b";":
            break
        end = start
    return data[:end].decode()
