"""Kernels of what corpora of code and knowledge are made of: folders, findings, and what the lake came to know."""

from typing import Any

from engine.access.roles import require
from engine.errors import Invalid
from engine.search.repository import documents, findings, folder, knowledge, symbols
from udfs.kernel import Call, kernel


def may_read_files(call: Call, function: str) -> None:
    """Raise Forbidden for a role that may not ingest: what it reads here lies beside the lake, as there."""
    require(call.session.role, "writes", function)


@kernel(
    "_repo_documents",
    "VARCHAR, VARCHAR[], BIGINT",
    "STRUCT(id VARCHAR, path VARCHAR, title VARCHAR, line BIGINT, text VARCHAR, language VARCHAR, encoding VARCHAR, "
    "sha256 VARCHAR, error VARCHAR)[]",
    "reads",
)
def repo_documents(
    call: Call, path: str | None, include: list[str | None] | None, max_bytes: int | None
) -> list[dict[str, Any]]:
    """The text files of a folder; a row a file or section."""
    may_read_files(call, "repo_documents()")
    return documents.rows(folder.named(call.lake, call.statement, path, include, max_bytes), str(path))


@kernel(
    "_repo_symbols",
    "VARCHAR, VARCHAR[], BIGINT",
    "STRUCT(id VARCHAR, name VARCHAR, kind VARCHAR, path VARCHAR, line BIGINT, language VARCHAR, signature VARCHAR, "
    "doc VARCHAR, text VARCHAR, error VARCHAR)[]",
    "reads",
)
def repo_symbols(
    call: Call, path: str | None, include: list[str | None] | None, max_bytes: int | None
) -> list[dict[str, Any]]:
    """The definitions of a folder; a row each."""
    may_read_files(call, "repo_symbols()")
    named = folder.named(call.lake, call.statement, path, include, max_bytes, symbols.reads)
    return symbols.rows(named, str(path))


@kernel(
    "_repo_findings",
    "VARCHAR, VARCHAR",
    'STRUCT(id VARCHAR, path VARCHAR, line BIGINT, severity VARCHAR, "check" VARCHAR, summary VARCHAR, '
    "evidence VARCHAR[], text VARCHAR, grounding VARCHAR, error VARCHAR)[]",
    "reads",
)
def repo_findings(call: Call, uri: str | None, repository: str | None) -> list[dict[str, Any]]:
    """The findings of a file; a row each."""
    may_read_files(call, "repo_findings()")
    if uri is None:
        raise Invalid("a file of findings is needed", "for example repo_findings('findings.jsonl')")
    where = None if repository is None else folder.named(call.lake, call.statement, repository, None, None)
    return findings.rows(findings.read(call.lake, uri, call.check), where)


@kernel(
    "_answers",
    "",
    "STRUCT(id VARCHAR, asked VARCHAR, question VARCHAR, path VARCHAR, answer VARCHAR, model VARCHAR, "
    "corpora VARCHAR[], answered_at TIMESTAMPTZ, text VARCHAR)[]",
    "reads",
)
def answers(call: Call) -> list[dict[str, Any]]:
    """The latest answer to each question; a row each."""
    return knowledge.answers(call.session, call.statement)


@kernel(
    "_successful_playbooks",
    "DOUBLE",
    "STRUCT(id VARCHAR, question VARCHAR, corpus VARCHAR, document VARCHAR, score DOUBLE, role VARCHAR, "
    "note VARCHAR, recorded_at TIMESTAMPTZ, text VARCHAR)[]",
    "reads",
)
def successful_playbooks(call: Call, min_score: float | None) -> list[dict[str, Any]]:
    """The outcomes that held; a row each."""
    return knowledge.successful(call.session, call.statement, min_score)


KERNELS = [repo_documents, repo_symbols, repo_findings, answers, successful_playbooks]
