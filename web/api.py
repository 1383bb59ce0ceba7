"""The JSON API: one statement in, its rows out.

`POST /v1/sql` with `{"sql": "...", "params": [...], "limit": 1000}` answers `{"columns": [{"name", "type"}],
"rows": [[...]], "rows_affected", "truncated", "seconds", "statement_id"}`; errors are `{"error": {"code", "message",
"hint"}}` with the HTTP status of the code. `rows_affected` is null for a statement that returns rows.
"""

import json
from dataclasses import dataclass
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse

from engine.errors import Invalid, nearest
from engine.session import Session
from web.answers import Answer, take
from web.caller import ask

MAX_ROWS = 10_000
MAX_CHARACTERS = 16_000_000  # of the rows in one answer
FIELDS = ("sql", "params", "limit")


@dataclass(frozen=True)
class Asked:
    """The body of a request."""

    sql: str
    params: list[Any]
    limit: int


async def run_sql(request: Request) -> JSONResponse:
    """`POST /v1/sql`."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise HTTPException(415, "the content type must be application/json")
    asked = parse(await request.body())

    def work(session: Session) -> Answer:
        return take(session, asked.sql, asked.params, limit=asked.limit, size=MAX_CHARACTERS)

    answer = await ask(request, work)
    return JSONResponse(
        {
            "columns": [{"name": column.name, "type": column.type} for column in answer.columns],
            "rows": answer.rows,
            "rows_affected": answer.rows_affected,
            "truncated": answer.truncated,
            "seconds": answer.seconds,
            "statement_id": answer.statement_id,
        }
    )


async def health(request: Request) -> JSONResponse:
    """`GET /health`: whether a statement runs; it tells nothing else, so that anyone may ask."""
    answer = await ask(request, lambda session: take(session, "select 1 as one", limit=1, size=100), anyone=True)
    return JSONResponse({"status": "ok", "seconds": answer.seconds})


def parse(text: bytes) -> Asked:
    """Read the body of a request. Raises Invalid that says what is wrong with it."""
    try:
        found = json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise Invalid("the body is not JSON", 'send {"sql": "select 1"}') from None
    if not isinstance(found, dict):
        raise Invalid("the body must be a JSON object", 'send {"sql": "select 1"}')
    for name in found:
        if name not in FIELDS:
            raise Invalid(f"unknown field {name!r}", nearest(name, FIELDS))
    sql, params, limit = found.get("sql"), found.get("params"), found.get("limit", MAX_ROWS)
    if not isinstance(sql, str):
        raise Invalid("the field 'sql' must be a text", 'send {"sql": "select 1"}')
    if params is not None and not isinstance(params, list):
        raise Invalid("the field 'params' must be a list", 'one value for each ? of the statement, or "$1", "$2"')
    if isinstance(limit, bool) or not isinstance(limit, int) or not 0 <= limit <= MAX_ROWS:
        raise Invalid(f"the field 'limit' must be a number from 0 to {MAX_ROWS}", "read more with Arrow Flight SQL")
    try:
        json.dumps(found, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise Invalid("a text holds half a surrogate pair", "send whole Unicode characters") from None
    return Asked(sql, params or [], limit)


def _no_constant(name: str) -> float:
    raise ValueError(name)
