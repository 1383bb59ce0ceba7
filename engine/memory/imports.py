"""Many outcomes at once, from a query of the caller. A bad row is told and left out; the others are recorded."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from engine.errors import Invalid, LakehouseError, TimedOut, nearest
from engine.memory.admission import Admission
from engine.memory.playbook import Playbook
from engine.session import Session
from engine.statement import Statement

if TYPE_CHECKING:
    from engine.lake import Lake

REQUIRED = ("query", "corpus", "id", "score")
OPTIONAL = ("role", "note")
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
        for model in dict.fromkeys(one.model for _, one in admitted):
            self._record(admission, [pair for pair in admitted if pair[1].model == model], answers)
        return answers

    def _given(self, rows: str) -> list[tuple[Any, ...]]:
        checked = self.session.describe(rows)
        if not checked.is_query or checked.effect != "reads" or checked.schema is None:
            raise Invalid("the rows must come from a query that only reads", EXAMPLE)
        names = [name.lower() for name in checked.schema.names]
        for name in REQUIRED:
            if name not in names:
                raise Invalid(f"the query has no column {name!r}", nearest(name, names))
        given: list[tuple[Any, ...]] = []
        with self.session.run(rows) as result:
            for batch in result.batches():
                self.statement.check()
                columns = [
                    batch.column(names.index(name)).to_pylist() if name in names else [None] * batch.num_rows
                    for name in (*REQUIRED, *OPTIONAL)
                ]
                given += zip(*columns, strict=True)
        return given

    def _record(self, admission: Admission, pairs: list[tuple[int, Playbook]], answers: list[dict[str, Any]]) -> None:
        """Record the outcomes of one model; when their questions cannot be embedded, all of them have failed."""
        playbooks = [one for _, one in pairs]
        try:
            statuses = self.lake.playbooks.record_many(
                admission, playbooks, self.session.profile, self.statement.cancelled.is_set
            )
        except TimedOut:
            raise
        except LakehouseError as error:
            for index, _ in pairs:
                answers[index]["error"] = str(error)
            return
        for (index, one), status in zip(pairs, statuses, strict=True):
            answers[index] |= {"playbook_id": one.playbook_id, "status": status}
