"""The pages around the data: SQL, Explore, Journal. A page is its queries and one template."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from engine.errors import LakehouseError, NotFound, Unauthenticated, nearest
from engine.session import Session
from web.answers import Answer, take
from web.caller import admit, ask
from web.render import page, segment

ROWS = 200
MAX_CHARACTERS = 2_000_000  # of the values in one table of a page
PREVIEW = 20
MAX_NAMES = 10_000

DATASET = """select *
from lake.datasets
where dataset = ? and bucket = coalesce(?, bucket) and schema = coalesce(?, schema)
order by bucket, schema != 'main', schema
limit 1
"""
COLUMNS = "select * from lake.columns where (bucket, schema, dataset) = (?, ?, ?) order by position"
VERSIONS = "select * from lake.versions where (bucket, schema, dataset) = (?, ?, ?) order by version desc"
DATASETS = "select * from lake.datasets order by all"
CORPORA = "select * from lake.corpora order by all"
FUNCTIONS = "select * from lake.functions order by area, function"
KINDS = "select kind, count(*) as entries from lake.journal group by kind order by kind"
ERRORS = """select ts, code, message, hint, sql, actor
from lake.errors
order by ts desc
limit ?
"""
STATEMENTS = """select ts, sql, status, outcome, rows, milliseconds, progress, profile, statement_id
from lake.statements
order by ts desc
limit ?
"""
EVENTS = """select ts, kind, actor, subject, left(body::varchar, 9000) as body
from lake.journal
where if($2::varchar is null, kind not in ('error', 'statement', 'call', 'answer', 'mode_run'), kind = $2)
order by ts desc, entry desc
limit $1
"""  # of all kinds but those that everyday use writes
LATEST = 50  # entries in each part of the journal
OF_KIND = 100  # entries of one kind

Query = tuple[str, list[object]]


def identifier(*names: str) -> str:
    """`names` as one quoted SQL identifier: `"bucket"."main"."my table"`."""
    return ".".join('"' + name.replace('"', '""') + '"' for name in names)


def _all(queries: Mapping[str, Query]) -> Callable[[Session], dict[str, Answer]]:
    def work(session: Session) -> dict[str, Answer]:
        return {
            name: take(session, sql, params, limit=ROWS, size=MAX_CHARACTERS) for name, (sql, params) in queries.items()
        }

    return work


async def sql_form(request: Request) -> Response:
    """`GET /sql`: the form, with `?statement=` filled in. Nothing runs."""
    (await admit(request)).close()
    statement = request.query_params.get("statement", "")
    return page(request, "sql.html", {"statement": statement, "answer": None, "error": None})


async def sql_run(request: Request) -> Response:
    """`POST /sql`: run the statement and show its rows below it."""
    statement = statement_of(str((await request.form()).get("statement", "")))

    def work(session: Session) -> Answer:
        return take(session, statement, limit=ROWS, size=MAX_CHARACTERS, count=True)

    try:
        answer = await ask(request, work)
    except Unauthenticated:  # the answer to it makes a browser ask its user
        raise
    except LakehouseError as error:
        return page(request, "sql.html", {"statement": statement, "answer": None, "error": error}, error.status)
    return page(request, "sql.html", {"statement": statement, "answer": answer, "error": None})


def statement_of(text: str) -> str:
    """The statement that was typed: forms send every line end as two characters."""
    return text.replace("\r\n", "\n")


async def explore(request: Request) -> Response:
    """`GET /explore`: what there is."""
    queries: dict[str, Query] = {"datasets": (DATASETS, []), "corpora": (CORPORA, []), "functions": (FUNCTIONS, [])}
    found = await ask(request, _all(queries))
    links = {
        "datasets": {"dataset": [dataset_link(one) for one in found["datasets"].records()]},
        "corpora": {"corpus": [f"/explore/corpus/{segment(one['corpus'])}" for one in found["corpora"].records()]},
    }
    return page(request, "explore.html", {"links": links, **found})


def dataset_link(row: Mapping[str, str]) -> str:
    """The address of the page of a row of `lake.datasets`."""
    place = {"bucket": row["bucket"], "schema": row["schema"]}
    return f"/explore/dataset/{segment(row['dataset'])}?{urlencode(place)}"


async def dataset(request: Request) -> Response:
    """`GET /explore/dataset/{name}`: columns, first rows and versions.

    `?bucket=` and `?schema=` choose when the name is there more than once.
    """
    name, chosen = request.path_params["name"], request.query_params
    wanted = [name, chosen.get("bucket"), chosen.get("schema")]

    def work(session: Session) -> tuple[str, dict[str, Answer]]:
        facts = take(session, DATASET, wanted, limit=1, size=MAX_CHARACTERS)
        if not facts.rows:
            names = take(session, "select dataset from lake.datasets", limit=MAX_NAMES, size=MAX_CHARACTERS)
            raise NotFound(f"dataset {name!r} does not exist", nearest(name, [row[0] for row in names.rows]))
        found = facts.records()[0]
        place: list[object] = [found["bucket"], found["schema"], name]
        select = f"select * from {identifier(found['bucket'], found['schema'], name)}"
        queries: dict[str, Query] = {
            "columns": (COLUMNS, place),
            "preview": (f"{select} limit {PREVIEW}", []),
            "versions": (VERSIONS, place),
        }
        return f"{select} limit 100", {"facts": facts, **_all(queries)(session)}

    statement, found = await ask(request, work)
    return page(request, "dataset.html", {"name": name, "statement": statement, **found})


async def corpus(request: Request) -> Response:
    """`GET /explore/corpus/{name}`: its facts and its generations."""
    name = request.path_params["name"]
    queries: dict[str, Query] = {
        "facts": ("select * from lake.corpora where corpus = ?", [name]),
        "generations": ("select * from lake.generations where corpus = ? order by all", [name]),
        "names": ("select corpus from lake.corpora", []),
    }
    found = await ask(request, _all(queries))
    if not found["facts"].rows:
        raise NotFound(f"corpus {name!r} does not exist", nearest(name, [row[0] for row in found["names"].rows]))
    return page(request, "corpus.html", {"name": name, **found})


async def journal(request: Request) -> Response:
    """`GET /journal`: the latest errors, events and statements, or with `?kind=` the entries of that kind alone."""
    kind = request.query_params.get("kind", "")
    parts: dict[str, Query] = {
        "Errors": (ERRORS, [LATEST]), "Events": (EVENTS, [LATEST, None]), "Statements": (STATEMENTS, [LATEST]),
    }  # fmt: skip
    if kind:
        alone: dict[str, Query] = {"error": (ERRORS, [OF_KIND]), "statement": (STATEMENTS, [OF_KIND])}
        parts = {f"Kind: {kind}": alone.get(kind, (EVENTS, [OF_KIND, kind]))}
    kinds, found = await ask(request, lambda session: (_all({"kinds": (KINDS, [])})(session), _all(parts)(session)))
    shown = {title: _readable(answer) for title, answer in found.items()}
    return page(request, "journal.html", {"kind": kind, "kinds": kinds["kinds"].records(), "parts": shown})


def _readable(entries: Answer) -> Answer:
    """Entries of the journal with their body, a JSON object, as a line of its names and values."""
    names = [column.name for column in entries.columns]
    if "body" not in names:
        return entries
    place = names.index("body")
    return replace(entries, rows=[[*row[:place], told(row[place]), *row[place + 1 :]] for row in entries.rows])


def told(body: str) -> str:
    """What the body of an entry says: `action: recorded · id: W-1`, without what is empty; as it is when it was cut."""
    try:
        given: dict[str, object] = json.loads(body)
    except ValueError:
        return f"{body} …"
    return " · ".join(
        f"{name}: {value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}"
        for name, value in given.items()
        if value not in (None, "")
    )
