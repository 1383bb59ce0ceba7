"""What the lake itself came to know, as rows that a corpus can be made of: answers that it gave, outcomes that held.

Both are read in the session of the caller, so that it gets what the views of the schema `lake` show it, and no more.
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from engine import duck
from engine.errors import Busy, Invalid

if TYPE_CHECKING:
    from engine.lake import Lake
    from engine.session import Session
    from engine.statement import Statement

MOST = 100_000  # rows, the newest
LONGEST_QUESTION, LONGEST_ANSWER = 2_000, 20_000  # characters that the journal keeps; what is longer is cut
HELD = 0.75  # score from which on an outcome is a success: nearer to right (1) than to undecided (0.5)
ANSWERS = f"""
select
    asked || ':' || left(sha256(concat(path, chr(0), question)), 32) as id,
    asked, question, path, answer, model, corpora, ts as answered_at,
    concat_ws(chr(10), path, answer) as text
from lake.answers
qualify row_number() over (partition by asked, path, question order by ts desc) = 1
order by ts desc, id
limit {MOST}
"""
SUCCESSFUL = f"""
select
    'playbook:' || playbook_id as id, query as question, corpus, id as document, score, role, note, recorded_at,
    concat_ws(chr(10), query, note) as text
from lake.playbooks
where score >= ? and answer = 'there'
order by recorded_at desc, id
limit {MOST}
"""


@dataclass(frozen=True)
class Answered:
    """An answer that says something. `asked`: `ask`, or the task class; `path`: the file that it is about."""

    asked: str
    question: str
    answer: str
    model: str | None
    corpora: list[str]
    path: str | None = None


def keep(lake: "Lake", given: Answered, actor: str, statement_id: str) -> None:
    """Put an answer into the journal, unless `[journal] answers` is off or there is nothing in it."""
    if not lake.config.journal.answers or not given.answer.strip():
        return
    cut = replace(given, question=given.question[:LONGEST_QUESTION], answer=given.answer[:LONGEST_ANSWER])
    body = asdict(cut)
    del body["asked"]
    with suppress(Busy, duck.Error):  # the caller has the answer, whatever the disk says
        lake.journal.record("answer", given.asked, body, actor=actor, statement_id=statement_id)
        lake.corpora.upkeep.notice("answer")


def quoted(question: str, answered: Mapping[str, Any]) -> Answered:
    """What `ask` answered a question with, from its row."""
    corpora = sorted({str(one["corpus"]) for one in answered["citations"]})
    return Answered("ask", question, str(answered["answer"]), str(answered["model"]), corpora)


def answers(session: "Session", caller: "Statement") -> list[dict[str, Any]]:
    """The rows of `answers`: the latest answer to each question, the newest first.

    One that was made from a corpus which the caller does not see (any more) is left out.
    """
    found = _rows(session, caller, ANSWERS, [])
    return [row for row in found if all(session.reach.sees_corpus(one) for one in row["corpora"] or ())]


def successful(session: "Session", caller: "Statement", min_score: float | None) -> list[dict[str, Any]]:
    """The rows of `successful_playbooks`: outcomes of at least that score whose document is there, the newest first.

    Raises Invalid for a score outside [0, 1].
    """
    least = HELD if min_score is None else min_score
    if not 0 <= least <= 1:
        raise Invalid(f"min_score is {least}", "it must be within 0 and 1; 1 = it was right")
    return _rows(session, caller, SUCCESSFUL, [least])


def _rows(session: "Session", caller: "Statement", sql: str, parameters: list[object]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    with session.run(sql, parameters) as result:
        for batch in result.batches():
            caller.check()
            found += batch.to_pylist()
    return found
