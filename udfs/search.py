"""Kernels of the area search: corpora, and the four searches over them."""

import json
from collections.abc import Sequence
from itertools import groupby
from typing import Any

import numpy as np

from engine.errors import Invalid
from engine.search import answer, matrix, recall, rerank, transfer
from engine.search.builds import Build
from engine.search.columns import Columns
from engine.search.definitions import Definition
from engine.search.indexing import Indexer, Outcome
from engine.search.repository import knowledge
from engine.search.request import DEFAULT_DEPTH, Question, Request
from engine.search.tuning import Aim, Tuning
from engine.search.vectors.choosing import Wish
from udfs.hits import Hits
from udfs.kernel import Call, Row, batch_kernel, kernel

HITS = (
    "STRUCT(_rank INTEGER, _score DOUBLE, _corpus VARCHAR, id VARCHAR, content VARCHAR, metadata JSON, "
    "_distance DOUBLE, _generation VARCHAR, _explain JSON)[]"
)
CREATED = (
    "STRUCT(corpus VARCHAR, status VARCHAR, generation VARCHAR, rows BIGINT, chunks BIGINT, duplicates BIGINT, "
    "failed BIGINT, seconds DOUBLE)[]"
)
REFRESHED = (
    "STRUCT(corpus VARCHAR, status VARCHAR, added BIGINT, updated BIGINT, deleted BIGINT, unchanged BIGINT, "
    "failed BIGINT, seconds DOUBLE)[]"
)

SWAPPED = "STRUCT(corpus VARCHAR, status VARCHAR, generation VARCHAR, previous VARCHAR)[]"
NULL = "[null]"  # a question that is NULL
MOST_QUERIES = 10_000


@kernel(
    "_create_corpus",
    "VARCHAR, VARCHAR, VARCHAR, VARCHAR, VARCHAR[], VARCHAR, INTEGER, VARCHAR, VARCHAR",
    CREATED,
    "writes",
)
def create_corpus(
    call: Call,
    corpus: str | None,
    source: str | None,
    id: str | None,
    text: str | None,
    metadata: list[str] | None,
    embedder: str | None,
    chunk_size: int | None,
    description: str | None,
    refresh: str | None,
) -> list[dict[str, Any]]:
    """Make a corpus; one row."""
    if not (corpus and source and id and text):
        raise Invalid("a corpus needs a name, a source, an id and a text column", "see lake.functions")
    config = call.lake.config
    window = config.search.chunk_size if chunk_size is None else chunk_size
    if not 16 <= window <= 8192:
        raise Invalid(f"chunk_size is {window}", "it must be within 16 and 8192 tokens")
    chosen = embedder or config.models.embedder
    owner = None if call.session.reach.sees_everything else call.session.profile
    wanted = Definition(corpus, description, source, id, text, metadata, chosen, window, refresh or "manual", owner)
    made = Indexer(call.lake, call.statement).create(wanted)
    facts = {"corpus": corpus, "status": made.status, "generation": made.generation, "rows": made.documents}
    counts = {"chunks": made.chunks, "duplicates": made.changes.duplicates, "failed": made.changes.failed}
    return [{**facts, **counts, "seconds": made.seconds}]


@kernel("_refresh_corpus", "VARCHAR", REFRESHED, "writes")
def refresh_corpus(call: Call, corpus: str | None) -> list[dict[str, Any]]:
    """Bring a corpus up to date; one row."""
    return [_refreshed(corpus, Indexer(call.lake, call.statement).refresh(corpus))]


def _refreshed(corpus: str | None, made: Outcome) -> dict[str, Any]:
    return {"corpus": corpus, "status": made.status, **vars(made.changes), "seconds": made.seconds}


@kernel("_drop_corpus", "VARCHAR", REFRESHED, "writes")
def drop_corpus(call: Call, corpus: str | None) -> list[dict[str, Any]]:
    """Remove a corpus; one row."""
    name = call.lake.corpora.changed_by(corpus, call.session.reach)
    documents = call.lake.corpora.drop(name, call.session.profile)
    none = dict.fromkeys(("added", "updated", "unchanged", "failed"), 0)
    return [{"corpus": corpus, "status": "dropped", "deleted": documents, **none, "seconds": 0.0}]


@kernel(
    "_build_index",
    "VARCHAR, VARCHAR, BIGINT, BIGINT, BOOLEAN",
    "STRUCT(corpus VARCHAR, status VARCHAR, generation VARCHAR, engine VARCHAR, recall DOUBLE, reason VARCHAR, "
    "seconds DOUBLE)[]",
    "writes",
)
def build_index(
    call: Call, corpus: str | None, engine: str | None, m: int | None, ef_construction: int | None, wait: bool | None
) -> list[dict[str, Any]]:
    """Begin to build an index, or build it; one row."""
    name = call.lake.corpora.changed_by(corpus, call.session.reach)
    builds = call.lake.corpora.builds
    begun = builds.start(name, Wish(engine, m, ef_construction), call.session.profile)
    if isinstance(begun, Build):
        begun = builds.wait(begun, call.check, call.progress) if wait else begun.begun()
    return [{"corpus": name, **vars(begun)}]


@kernel("_cancel_build", "VARCHAR", "STRUCT(corpus VARCHAR, status VARCHAR, generation VARCHAR)[]", "writes")
def cancel_build(call: Call, corpus: str | None) -> list[dict[str, Any]]:
    """Stop the build of an index; one row."""
    name = call.lake.corpora.changed_by(corpus, call.session.reach)
    build = call.lake.corpora.builds.cancel(name)
    status = "unchanged" if build is None or build.built is not None else "cancelled"
    return [{"corpus": name, "status": status, "generation": build.manifest.generation if build else None}]


@kernel("_promote_index", "VARCHAR, VARCHAR, VARCHAR", SWAPPED, "writes")
def promote_index(call: Call, corpus: str | None, generation: str | None, note: str | None) -> list[dict[str, Any]]:
    """Make a generation live; one row."""
    name = call.lake.corpora.changed_by(corpus, call.session.reach)
    return [{"corpus": name, **vars(call.lake.corpora.promote(name, generation, note, call.session.profile))}]


@kernel("_rollback_index", "VARCHAR", SWAPPED, "writes")
def rollback_index(call: Call, corpus: str | None) -> list[dict[str, Any]]:
    """Make the generation before live again; one row."""
    name = call.lake.corpora.changed_by(corpus, call.session.reach)
    return [{"corpus": name, **vars(call.lake.corpora.rollback(name, call.session.profile))}]


@kernel(
    "_measure_recall",
    "VARCHAR, BIGINT, BIGINT",
    "STRUCT(corpus VARCHAR, engine VARCHAR, parameters VARCHAR, recall DOUBLE, p50_ms DOUBLE, p95_ms DOUBLE, "
    "build_seconds DOUBLE, promoted BOOLEAN)[]",
    "reads",
)
def measure_recall(call: Call, corpus: str | None, k: int | None, queries: int | None) -> list[dict[str, Any]]:
    """Compare the live index with exact search; one row."""
    request = Request("vector", (corpus or "",), _number(k, 10))
    request.check(call.lake.config.search.max_k)
    asked = _number(queries, 100)
    if not 1 <= asked <= MOST_QUERIES:
        raise Invalid(f"queries is {asked}", f"it must be within 1 and {MOST_QUERIES}")
    scope = matrix.scope_of(call.lake, request, call.session.reach)
    live = scope.generations[0]
    exam = recall.set_exam(live, scope.masks[live.corpus], request.k, asked, call.check)
    graph = live.manifest.graph
    parameters = json.dumps(graph.parameters if graph else {}, sort_keys=True)
    seconds = call.lake.corpora.build_seconds(live)
    facts = {"corpus": live.corpus, "engine": live.manifest.engine, "parameters": parameters}
    return [{**facts, **vars(exam.take(call.check)), "build_seconds": seconds, "promoted": True}]


@kernel(
    "_tune_index",
    "VARCHAR, DOUBLE, VARCHAR, BIGINT",
    "STRUCT(corpus VARCHAR, engine VARCHAR, parameters VARCHAR, recall DOUBLE, p50_ms DOUBLE, p95_ms DOUBLE, "
    "build_seconds DOUBLE, promoted BOOLEAN, reason VARCHAR)[]",
    "writes",
)
def tune_index(
    call: Call, corpus: str | None, min_recall: float | None, grid: str | None, queries: int | None
) -> list[dict[str, Any]]:
    """Try indexes and promote the best; one row a trial, the first of the live index."""
    name = call.lake.corpora.changed_by(corpus, call.session.reach)
    aim = Aim(Aim.min_recall if min_recall is None else min_recall, _number(queries, Aim.questions))
    tuning = Tuning(call.lake, name, grid, aim, call.session.profile)
    begun = tuning.begin(call.check)
    built = call.lake.corpora.builds.wait(begun, call.check, call.progress) if begun else None
    return [
        {
            "corpus": name,
            "engine": row.engine,
            "parameters": json.dumps(row.parameters, sort_keys=True),
            **vars(row.measured),
            "build_seconds": row.build_seconds,
            "promoted": row.promoted,
            "reason": row.reason,
        }
        for row in tuning.rows(built)
    ]


MOVED = "STRUCT(corpus VARCHAR, status VARCHAR, bytes BIGINT, generation VARCHAR, reason VARCHAR)[]"


@kernel("_export_index", "VARCHAR, VARCHAR", MOVED, "administers")
def export_index(call: Call, corpus: str | None, uri: str | None) -> list[dict[str, Any]]:
    """Write the live index into a file; one row."""
    name = call.lake.corpora.changed_by(corpus, call.session.reach)
    return [transfer.export(call.lake, name, uri or "", call.check)]


@kernel("_import_index", "VARCHAR, VARCHAR", MOVED, "administers")
def import_index(call: Call, corpus: str | None, uri: str | None) -> list[dict[str, Any]]:
    """Take an index from a file; one row."""
    name = call.lake.corpora.changed_by(corpus, call.session.reach)
    builds = call.lake.corpora.builds
    with transfer.checked(call.lake, name, uri or "", call.check) as found:
        row = {"corpus": name, "bytes": found.bytes}
        if transfer.is_live(found):
            return [row | {"status": "unchanged", "generation": found.manifest.generation}]
        built = builds.wait(transfer.begin(call.lake, found, call.session.profile), call.check, call.progress)
        return [row | {"status": built.status, "generation": built.generation, "reason": built.reason}]


def _searched(call: Call, rows: list[Row], requests: Sequence[Request | None]) -> Hits:
    """Answer every row; rows with the same request are answered together, an equal question only once."""
    numbered = [(request, at) for at, request in enumerate(requests) if request is not None]
    numbered.sort(key=lambda pair: (repr(pair[0]), pair[1]))
    columns: list[Columns] = []
    answered = np.full(len(rows), -1, np.int64)  # the number of its answer among all that are made
    made = 0
    for request, group in groupby(numbered, key=lambda pair: pair[0]):
        call.check()
        positions: dict[str, int] = {}
        for _, at in group:
            answered[at] = made + positions.setdefault(rows[at][0], len(positions))
        questions = [_question(text, call.lake.config.search.question_bytes) for text in positions]
        columns += matrix.search(call.lake, questions, request, call.session.reach, call.cancelled)
        made += len(questions)
    return Hits(columns, answered)


def _question(encoded: str, limit: int) -> Question:
    """A question in a list of its own, as JSON: a string is text, a list is a vector."""
    if len(encoded.encode("utf-8", "surrogatepass")) > limit + len("[]"):
        raise Invalid(f"the question is longer than {limit} bytes", "shorten it; only its first tokens are embedded")
    (value,) = json.loads(encoded)
    if isinstance(value, str):
        if not value.strip():
            raise Invalid("the question is empty", "ask something")
        return value
    if isinstance(value, list) and value and all(isinstance(one, int | float) for one in value):
        return np.asarray(value, np.float32)
    raise Invalid("the question is neither a text nor a vector", "pass a VARCHAR or a FLOAT[]")


def _names(names: list[str] | None) -> tuple[str, ...] | None:
    return tuple(name for name in names if name is not None) if names is not None else None


def _number(value: float | None, default: int) -> int:
    return default if value is None else int(value)


def _weights(encoded: str | None) -> tuple[tuple[str, float], ...]:
    if encoded is None:
        return ()
    value = json.loads(encoded)
    if not isinstance(value, dict) or not all(isinstance(one, int | float) for one in value.values()):
        raise Invalid("weights must name corpora and numbers", "for example weights := {'resumes': 2.0}")
    return tuple(sorted((str(name), float(weight)) for name, weight in value.items()))


@batch_kernel("_vector_search", "VARCHAR, VARCHAR[], BIGINT, VARCHAR, BOOLEAN, BIGINT, VARCHAR, VARCHAR", HITS, "reads")
def vector_search(call: Call, rows: list[Row]) -> Hits:
    """Search by meaning."""

    def request(row: Row) -> Request | None:
        query, corpora, k, predicate, exact, ef, generation, collapse = row
        return None if query == NULL else Request(
            "vector", _names(corpora), _number(k, 10), filter=predicate, exact=bool(exact), ef=ef,
            generation=generation, collapse=collapse,
        )  # fmt: skip

    return _searched(call, rows, [request(row) for row in rows])


@batch_kernel("_text_search", "VARCHAR, VARCHAR[], BIGINT, VARCHAR, VARCHAR", HITS, "reads")
def text_search(call: Call, rows: list[Row]) -> Hits:
    """Search by words."""

    def request(row: Row) -> Request | None:
        query, corpora, k, predicate, collapse = row
        return None if query == NULL else Request(
            "text", _names(corpora), _number(k, 10), filter=predicate, collapse=collapse
        )  # fmt: skip

    return _searched(call, rows, [request(row) for row in rows])


@batch_kernel(
    "_hybrid_search", "VARCHAR, VARCHAR[], BIGINT, VARCHAR, DOUBLE, BIGINT, BIGINT, VARCHAR, VARCHAR", HITS, "reads"
)
def hybrid_search(call: Call, rows: list[Row]) -> Hits:
    """Search by both."""

    def request(row: Row) -> Request | None:
        query, corpora, k, predicate, alpha, rrf_k, depth, playbook, collapse = row
        return None if query == NULL else Request(
            "hybrid", _names(corpora), _number(k, 10), None, predicate, alpha, rrf_k,
            _number(depth, DEFAULT_DEPTH), playbook="off" if playbook is None else playbook, collapse=collapse,
        )  # fmt: skip

    return _searched(call, rows, [request(row) for row in rows])


@batch_kernel(
    "_matrix_search",
    "VARCHAR, VARCHAR[], BIGINT, BIGINT, VARCHAR, VARCHAR, DOUBLE, VARCHAR, VARCHAR, VARCHAR[], VARCHAR, VARCHAR",
    HITS,
    "reads",
)
def matrix_search(call: Call, rows: list[Row]) -> Hits:
    """Search many corpora, with memory."""

    def request(row: Row) -> Request | None:
        query, corpora, k, per_corpus_k, predicate, weights, least, playbook, role, exclude, collapse, focus = row
        return None if query == NULL else Request(
            "hybrid", _names(corpora), _number(k, 8), per_corpus_k, predicate, weights=_weights(weights),
            min_relevance=least, playbook="off" if playbook is None else playbook, role=role,
            exclude=_names(exclude) or (), focus=focus, collapse=collapse,
        )  # fmt: skip

    return _searched(call, rows, [request(row) for row in rows])


@kernel(
    "_ask",
    "VARCHAR, VARCHAR[], BIGINT, VARCHAR, VARCHAR",
    'STRUCT(answer VARCHAR, citations STRUCT(corpus VARCHAR, id VARCHAR, quote VARCHAR, start BIGINT, "end" BIGINT)[], '
    "grounded BOOLEAN, model VARCHAR, seconds DOUBLE)[]",
    "reads",
)
def ask(
    call: Call, question: str | None, corpora: list[str] | None, k: int | None, predicate: str | None, model: str | None
) -> list[dict[str, object]]:
    """Answer with quoted sentences; one row, none for NULL."""
    if question is None:
        return []
    text = _question(json.dumps([question]), call.lake.config.search.question_bytes)
    request = Request("hybrid", _names(corpora), _number(k, 8), filter=predicate)
    answered = answer.ask(call.lake, str(text), request, model, call.session.reach)
    if answered["grounded"]:
        given = knowledge.quoted(str(text), answered)
        knowledge.keep(call.lake, given, call.session.profile, call.statement.statement_id)
    return [answered]


@kernel(
    "_rerank",
    "VARCHAR, VARCHAR[], VARCHAR[], BIGINT, VARCHAR",
    "STRUCT(id VARCHAR, content VARCHAR, _rank INTEGER, _score DOUBLE)[]",
    "reads",
)
def reranked(
    call: Call, query: str | None, ids: list[str] | None, contents: list[str] | None, k: int | None, model: str | None
) -> list[dict[str, object]]:
    """Order contents by how well they answer; none for NULL."""
    if query is None:
        return []
    call.check()
    text = str(_question(json.dumps([query]), call.lake.config.search.question_bytes))
    return rerank.rerank(call.lake, text, ids, contents, _number(k, 10), model, call.cancelled)


KERNELS = [
    create_corpus, refresh_corpus, drop_corpus, build_index, cancel_build, promote_index, rollback_index,
    measure_recall, tune_index, export_index, import_index,
    vector_search, text_search, hybrid_search, matrix_search, ask, reranked,
]  # fmt: skip
