"""The page Ask: a question, its quoted answer, the rows behind it, and what people thought of them."""

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
from web.outcomes import SCORES, Memory, Noted, Outcome, note
from web.render import page

CORPORA = "select corpus, description, rows, chunks from lake.corpora order by corpus"
DATASETS = "select dataset from lake.datasets order by dataset"
ASK = "select * from ask(?, corpora := ?, filter := ?)"
SEARCH = "select * from matrix_search(?, corpora := ?, filter := ?)"

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

    def link(self, noted: Noted) -> str:
        """The address that asks it, and says what has been done to a row of the answer."""
        fields = [("q", self.text), *(("corpus", name) for name in self.corpora), ("filter", self.filter)]
        return f"/?{urlencode([(name, value) for name, value in fields if value])}&{noted.link}"


@dataclass(frozen=True)
class Hit:
    """One row of the search, as the page shows it."""

    rank: int
    corpus: str
    id: str
    score: float
    distance: float | None
    content: str
    excerpt: Excerpt
    metadata: dict[str, Any]
    explain: str
    outcome: Outcome


@dataclass(frozen=True)
class View:
    """Everything the page shows."""

    question: Question
    memory: Memory
    corpora: list[dict[str, Any]]
    datasets: list[dict[str, Any]]
    answer: dict[str, Any] | None = None
    hits: tuple[Hit, ...] = ()
    elsewhere: Outcome | None = None  # of the row to which something has just been done, when it is not among the hits
    error: LakehouseError | None = None

    @property
    def off(self) -> dict[str, str]:
        """The corpora that are asked, or could be, and whose memory is off, with the reason."""
        asked = self.question.corpora or tuple(one["corpus"] for one in self.corpora)
        return {name: self.memory.off[name] for name in asked if name in self.memory.off}


async def ask_page(request: Request) -> Response:
    """`GET /`: the form, and with `?q=` the answer."""
    question = Question.of(request.query_params)
    return _shown(request, await ask(request, _view(question, Noted.of(request.query_params))))


def _shown(request: Request, view: View) -> Response:
    status = view.error.status if view.error else 200
    return page(request, "ask.html", {"question": view.question, "view": view}, status)


async def record_outcome(request: Request) -> Response:
    """`POST /outcomes`: record or take back what somebody thought of a row, and go back to the question.

    What is refused is said on the page of the question, which is not lost then.
    """
    form = await request.form()
    question = Question.of(form)
    corpus, row, verdict = (str(form.get(name, "")) for name in ("row_corpus", "row_id", "verdict"))
    if verdict != "retract" and verdict not in SCORES:
        raise Invalid(f"unknown verdict {verdict!r}", "use helpful, unhelpful or retract")

    def work(session: Session) -> str | View:
        try:
            return note(session, [question.text, corpus, row], verdict)
        except LakehouseError as error:
            memory = Memory.of(session, question.text, Noted("", "", ""))
            return View(question, memory, _records(session, CORPORA), [], error=error)

    done = await ask(request, work)
    if isinstance(done, View):
        return _shown(request, done)
    return RedirectResponse(question.link(Noted(corpus, row, done)), 303)


def _view(question: Question, noted: Noted) -> Callable[[Session], View]:
    def work(session: Session) -> View:
        memory, corpora = Memory.of(session, question.text, noted), _records(session, CORPORA)
        if not corpora or not question.text:
            return View(question, memory, corpora, [] if corpora else _records(session, DATASETS))
        try:
            answer = _records(session, ASK, question.params)[0]
            rows = _records(session, SEARCH, question.params)
        except LakehouseError as error:
            return View(question, memory, corpora, [], error=error)
        hits = tuple(_hit(row, answer["citations"] or [], memory) for row in rows)
        is_shown = any((hit.corpus, hit.id) == (noted.corpus, noted.id) for hit in hits)
        elsewhere = None if is_shown or not noted.deed else memory.outcome(noted.corpus, noted.id)
        return View(question, memory, corpora, [], answer, hits, elsewhere)

    return work


def _records(session: Session, sql: str, params: list[object] | None = None) -> list[dict[str, Any]]:
    return take(session, sql, params, limit=MAX_LISTED, size=MAX_CHARACTERS).records()


def _hit(row: dict[str, Any], citations: list[dict[str, Any]], memory: Memory) -> Hit:
    corpus, row_id, content = row["_corpus"], str(row["id"]), row["content"] or ""
    quotes = [one["quote"] for one in citations if (one["corpus"], str(one["id"])) == (corpus, row_id)]
    return Hit(
        rank=row["_rank"],
        corpus=corpus,
        id=row_id,
        score=row["_score"],
        distance=row["_distance"],
        content=content,
        excerpt=excerpt(content, quotes),
        metadata=json.loads(row["metadata"] or "{}"),
        explain=json.dumps(json.loads(row["_explain"] or "{}"), indent=2, ensure_ascii=False),
        outcome=memory.outcome(corpus, row_id),
    )
