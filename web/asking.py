"""The page Ask: a question, its quoted answer, the rows behind it, and what people thought of them."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from starlette.datastructures import FormData, QueryParams
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from engine.errors import Invalid, LakehouseError
from engine.session import Session
from web.answers import take
from web.caller import ask
from web.excerpt import Excerpt, excerpt
from web.render import page

CORPORA = "select corpus, description, rows, chunks from lake.corpora order by corpus"
DATASETS = "select dataset from lake.datasets order by dataset"
ASK = "select * from ask(?, corpora := ?, filter := ?)"
SEARCH = "select * from matrix_search(?, corpora := ?, filter := ?)"
RECORDED = "select corpus, id, score from lake.playbooks where query = ?"
RECORD = "select * from playbook_record(?, ?, ?, ?)"
RETRACT = "select * from playbook_retract(?, ?, ?)"

SCORES = {"helpful": 1.0, "unhelpful": 0.0}
MAX_LISTED = 1000
MAX_CHARACTERS = 4_000_000


@dataclass(frozen=True)
class Question:
    """What was asked, where, and of which rows."""

    text: str
    corpora: tuple[str, ...]
    filter: str

    @classmethod
    def of(cls, fields: QueryParams | FormData) -> "Question":
        """The question of a query string or a form."""
        corpora = [name for name in fields.getlist("corpus") if isinstance(name, str)]
        return cls(str(fields.get("q", "")).strip(), tuple(corpora), str(fields.get("filter", "")).strip())

    @property
    def params(self) -> list[object]:
        """Its arguments of `ask` and `matrix_search`."""
        return [self.text, list(self.corpora) or None, self.filter or None]

    def link(self, **more: str) -> str:
        """The address that asks it."""
        fields = [("q", self.text), *(("corpus", name) for name in self.corpora), ("filter", self.filter)]
        return "/?" + urlencode([(name, value) for name, value in [*fields, *more.items()] if value])


@dataclass(frozen=True)
class Hit:
    """One row of the search, as the page shows it."""

    anchor: str
    rank: int
    corpus: str
    id: str
    score: float
    distance: float | None
    content: str
    excerpt: Excerpt
    metadata: dict[str, Any]
    explain: str
    verdict: float | None  # the recorded score of this row for this question
    noted: bool  # whether it has just been recorded or taken back


@dataclass(frozen=True)
class View:
    """Everything the page shows."""

    corpora: list[dict[str, Any]]
    datasets: list[dict[str, Any]]
    answer: dict[str, Any] | None = None
    hits: tuple[Hit, ...] = ()
    error: LakehouseError | None = None


async def ask_page(request: Request) -> Response:
    """`GET /`: the form, and with `?q=` the answer."""
    question = Question.of(request.query_params)
    noted = (request.query_params.get("noted_corpus", ""), request.query_params.get("noted_id", ""))
    view = await ask(request, _view(question, noted))
    status = view.error.status if view.error else 200
    return page(request, "ask.html", {"question": question, "view": view, "noted": noted}, status)


async def record_outcome(request: Request) -> Response:
    """`POST /outcomes`: record or take back what somebody thought of a row, and go back to the question."""
    form = await request.form()
    question = Question.of(form)
    corpus, row, verdict = (str(form.get(name, "")) for name in ("row_corpus", "row_id", "verdict"))
    if verdict != "retract" and verdict not in SCORES:
        raise Invalid(f"unknown verdict {verdict!r}", "use helpful, unhelpful or retract")

    def work(session: Session) -> None:
        target: list[object] = [question.text, corpus, row]
        if verdict == "retract":
            take(session, RETRACT, target, limit=1, size=MAX_CHARACTERS)
        else:
            take(session, RECORD, [*target, SCORES[verdict]], limit=1, size=MAX_CHARACTERS)

    await ask(request, work)
    back = question.link(noted_corpus=corpus, noted_id=row)
    return RedirectResponse(f"{back}#{anchor(corpus, row)}", 303)


def anchor(corpus: str, row: str) -> str:
    """The name of a row within the page, the same wherever the row stands."""
    return "row-" + hashlib.sha256(f"{corpus}\0{row}".encode()).hexdigest()[:12]


def _view(question: Question, noted: tuple[str, str]) -> Callable[[Session], View]:
    def work(session: Session) -> View:
        corpora = _records(session, CORPORA)
        if not corpora or not question.text:
            return View(corpora, [] if corpora else _records(session, DATASETS))
        try:
            answer = _records(session, ASK, question.params)[0]
            rows = _records(session, SEARCH, question.params)
        except LakehouseError as error:
            return View(corpora, [], error=error)
        recorded = {(one["corpus"], one["id"]): one["score"] for one in _records(session, RECORDED, [question.text])}
        return View(corpora, [], answer, tuple(_hit(row, answer["citations"] or [], recorded, noted) for row in rows))

    return work


def _records(session: Session, sql: str, params: list[object] | None = None) -> list[dict[str, Any]]:
    return take(session, sql, params, limit=MAX_LISTED, size=MAX_CHARACTERS).records()


def _hit(
    row: dict[str, Any],
    citations: list[dict[str, Any]],
    recorded: dict[tuple[str, str], float],
    noted: tuple[str, str],
) -> Hit:
    corpus, row_id, content = row["_corpus"], str(row["id"]), row["content"] or ""
    quotes = [one["quote"] for one in citations if (one["corpus"], str(one["id"])) == (corpus, row_id)]
    return Hit(
        anchor=anchor(corpus, row_id),
        rank=row["_rank"],
        corpus=corpus,
        id=row_id,
        score=row["_score"],
        distance=row["_distance"],
        content=content,
        excerpt=excerpt(content, quotes),
        metadata=json.loads(row["metadata"] or "{}"),
        explain=json.dumps(json.loads(row["_explain"] or "{}"), indent=2, ensure_ascii=False),
        verdict=recorded.get((corpus, row_id)),
        noted=(corpus, row_id) == noted,
    )
