"""The configuration of a home: defaults, then `lakehouse.toml`, then the environment, then arguments.

Every key is also an environment variable: `[flight] port` is `LAKEHOUSE_FLIGHT__PORT`. A key that is not known is an
error that names the nearest one, and each value remembers where it came from (`lakehouse check` shows it).
"""

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ByteSize, ConfigDict, Field, ValidationError
from pydantic_settings import BaseSettings, EnvSettingsSource, SettingsConfigDict
from pydantic_settings.exceptions import SettingsError

from engine import faults
from engine.errors import Invalid, nearest
from engine.memory.downgrade import WEAK

KNOBS = {  # variables of the original system, honoured as settings; LAKEHOUSE_… wins over them
    "LH_RELEVANCE_FILTER": "relevance.filter",
    "LH_RELEVANCE_THRESHOLD": "relevance.threshold",
    "LH_FORCE_FULL_ENRICHMENT": "downgrade.force_full_enrichment",
}


class Section(BaseModel):
    """One table of `lakehouse.toml`."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Engine(Section):
    """DuckDB and the statements it runs."""

    threads: int = Field(0, ge=0, le=1024, description="threads of DuckDB; 0 = one a core")
    memory_limit: str = Field("", description="memory of DuckDB, such as 4GB; empty = 80 % of the machine")
    temp_limit: str = Field("20GiB", description="disk for spilling")
    statement_seconds: float = Field(300, gt=0, description="time limit of a statement that only reads")
    statement_bytes: int = Field(1_000_000, ge=1000, description="longest text of a statement")
    lock_seconds: float = Field(30, gt=0, description="how long a writer waits for a bucket")
    contain: Literal["everyone", "nobody"] = Field(
        "everyone", description="whose statements run in a worker process when nothing could stop them"
    )
    contained_memory: ByteSize = Field(ByteSize(2 << 30), ge=256 << 20, description="memory of a contained statement")
    contained_result: int = Field(4 << 30, ge=1_000_000, description="bytes of the rows of one contained statement")
    contained_workers: int = Field(2, ge=1, le=64, description="contained statements that run side by side")
    temporary_bytes: int = Field(1_000_000_000, ge=0, description="what the temporary tables of a session may hold")


class Limits(Section):
    """What clients may use of the server. A bound that is reached is an error that names it."""

    statements: int = Field(0, ge=0, le=10_000, description="statements that work at once; 0 = 4 a core, at least 8")
    queue: int = Field(256, ge=0, description="further statements that wait, in order")
    queue_seconds: float = Field(30, gt=0, description="how long a statement waits for its turn")
    statement_bytes: int = Field(65_536, ge=1000, description="longest text of a statement of a role below admin")
    nesting: int = Field(200, ge=10, le=500, description="how deep the brackets of a statement may nest")
    acting_seconds: float = Field(86_400, gt=0, description="time limit of a statement that writes")
    reader_rows: int = Field(10_000_000, ge=0, description="rows of one result of a reader or contributor; 0 = any")
    reader_bytes: int = Field(4 << 30, ge=0, description="bytes of one result of a reader or contributor; 0 = any")
    editor_rows: int = Field(0, ge=0, description="rows of one result of an editor; 0 = any")
    editor_bytes: int = Field(0, ge=0, description="bytes of one result of an editor; 0 = any")
    sessions: int = Field(1000, ge=1, description="open sessions of Flight clients")
    session_seconds: float = Field(1800, gt=0, description="how long a session may be idle")
    transactions: int = Field(1000, ge=1, description="open transactions")
    transaction_seconds: float = Field(
        300, gt=0, description="how long a transaction may be idle until it is rolled back"
    )
    prepared: int = Field(1000, ge=1, description="prepared statements")
    prepared_seconds: float = Field(3600, gt=0, description="how long a prepared statement is kept")
    results: int = Field(10_000, ge=1, description="results that can be fetched")
    result_seconds: float = Field(300, gt=0, description="how long a result can be fetched")
    message_bytes: int = Field(2 << 20, ge=65_536, description="rows in one message to a client, about")
    request_bytes: int = Field(64 << 20, ge=1000, description="longest request, but for a bulk load")


class Ingest(Section):
    """Files that may be read."""

    allowed: list[Path] = Field(default_factory=list, description="folders whose files may be ingested")
    max_columns: int = Field(4096, ge=1, description="widest table")
    max_cell_bytes: int = Field(64_000_000, ge=1000, description="largest cell of a CSV or JSON file")


class Models(Section):
    """Embedding models, and language models."""

    embedder: str = Field("minilm", description="the embedder of a corpus that names none")
    threads: int = Field(0, ge=0, le=256, description="threads of the embedder; 0 = one a core, at most 4")
    folders: list[Path] = Field(
        default_factory=list, description="where models of onnx:<folder> lie, beside <home>/models"
    )
    endpoints: list[str] = Field(
        default_factory=lambda: ["http://127.0.0.1:11434"], description="base URLs that openai: and ollama: may call"
    )
    key_file: Path | None = Field(None, description="keys of endpoints, TOML, readable by its owner only")
    request_seconds: float = Field(30, gt=0, description="time limit of one request to an endpoint")
    request_tries: int = Field(4, ge=1, le=10, description="how often a request is tried")
    request_texts: int = Field(64, ge=1, le=2048, description="texts of one request")
    cache_bytes: int = Field(512 << 20, ge=0, description="vectors of texts kept on disk; 0 = none")
    question_cache: int = Field(4096, ge=0, description="question embeddings kept in memory")
    chat: list[str] = Field(
        default_factory=list, description="chat models: openai:<base URL>#<model> or ollama:<model>; first = default"
    )
    chat_seconds: float = Field(120, gt=0, description="time limit of one request to a language model")
    chat_temperature: float = Field(0, le=2, description="temperature of language models; below 0 = not sent")
    prompt_characters: int = Field(200_000, ge=1000, description="longest prompt; a longer one is an error")
    rerank: list[str] = Field(
        default_factory=list, description="rerank models: openai:, cohere: or jina:<base URL>#<model>; first = default"
    )


class Search(Section):
    """Chunking and search."""

    chunk_size: int = Field(256, ge=16, le=8192, description="tokens of a chunk, at most the model's window")
    overlap: float = Field(0.1, ge=0, lt=0.5, description="share of a chunk repeated in the next one")
    max_k: int = Field(10_000, ge=1, description="largest k")
    question_bytes: int = Field(200_000, ge=100, description="longest question")
    rerank_contents: int = Field(1000, ge=1, le=100_000, description="most contents that rerank takes")
    batch_rows: int = Field(2048, ge=1, description="documents chunked and embedded at a time")
    engine: Literal["auto", "exact", "hnswlib", "usearch", "compact"] = Field(
        "auto", description="vector index; auto = hnswlib, else usearch, and compact for very large corpora"
    )
    exact_rows: int = Field(20_000, ge=1, description="chunks below which a corpus is compared exactly, without index")
    compact_rows: int = Field(500_000, ge=1, description="chunks from which binary codes take the place of a graph")
    recall_floor: float = Field(0.95, ge=0, le=1, description="recall@10 that an index must reach to become live")
    history: int = Field(50, ge=1, le=1000, description="generations of a corpus that rollback_index can go back to")
    build_threads: int = Field(
        0,
        ge=0,
        le=1024,
        description="threads that build an index; 0 = all cores but one, and all where it is waited for",
    )
    fold: bool = Field(True, description="fold what is new and dead into a corpus with an index in the background")
    append_seconds: float = Field(
        1.0, ge=0, le=3600, description="how long corpora refreshed on_append wait for further changes"
    )


class Tuner(Section):
    """Indexes that are tried in the background while nothing runs."""

    enabled: bool = Field(False, description="try one after the other, and promote what is faster")
    per_hour: int = Field(4, ge=1, le=360, description="trials in an hour, of all corpora together")
    min_recall: float = Field(0.95, gt=0, le=1, description="recall that a trial must reach to be promoted")


class Relevance(Section):
    """The relevance filter."""

    filter: bool = Field(True, description="drop chunks below the threshold; also LH_RELEVANCE_FILTER")
    threshold: float = Field(0.3, allow_inf_nan=False, description="least score; also LH_RELEVANCE_THRESHOLD")


class Downgrade(Section):
    """The downgrade gate."""

    weak: list[str] = Field(default_factory=lambda: list(WEAK), description="weak models, beside those named free")
    force_full_enrichment: bool = Field(False, description="never downgrade; also LH_FORCE_FULL_ENRICHMENT")


class Memory(Section):
    """Which outcomes apply, how they fade, and when memory is measured by itself."""

    decay_days: float = Field(0, ge=0, description="an outcome of that age counts 1/e; 0 = outcomes do not fade")
    failure_factor: float = Field(
        1, gt=0, le=1, description="what each wrong outcome of a document leaves of its right ones; 1 = all"
    )
    exclude_corpora: list[str] = Field(default_factory=list, description="corpora whose outcomes never apply")
    exclude_ids: list[str] = Field(default_factory=list, description="documents whose outcomes never apply")
    exclude_questions: list[str] = Field(
        default_factory=list, description="recorded questions whose outcomes never apply"
    )
    check_outcomes: int = Field(
        0, ge=0, description="outcomes of a corpus after which its memory is measured, and off if it harms; 0 = never"
    )
    check_hours: float = Field(0, ge=0, le=8760, description="hours after which all memory is measured so; 0 = never")
    check_sample: int = Field(100, ge=1, le=10_000, description="recorded questions of a corpus that a check asks")


class Judge(Section):
    """A language model that is asked before an outcome brings an answer in or up."""

    model: str = Field("", description="openai:<base URL>#<model> or ollama:<model>; empty = no judge")
    floor: int = Field(3, ge=1, le=5, description="least rating, 1 to 5, with which an answer is brought in or up")
    seconds: float = Field(10, gt=0, le=300, description="time for all ratings of one search; after it none is used")
    calls: int = Field(8, ge=1, le=100, description="ratings that one question may ask for; the others are not used")
    cache: int = Field(4096, ge=0, description="ratings kept in memory")


class Pathway(Section):
    """The memory of pathways."""

    trace_bytes: int = Field(4_194_304, ge=1000, description="largest trace, as JSON")
    file_bytes: int = Field(268_435_456, ge=1000, description="largest file of pathways that is imported")


class Access(Section):
    """Who gets in."""

    loopback: Literal["admin", "token"] = Field(
        "admin", description="who comes from this machine without a token: admin, or nobody"
    )
    tls_certificate: Path | None = Field(None, description="certificate chain of the doors, PEM")
    tls_key: Path | None = Field(None, description="its private key, PEM")
    client_ca: Path | None = Field(None, description="mutual TLS: who signs the certificates of clients, PEM")
    login_failures: int = Field(5, ge=1, description="wrong passwords of a user before he has to wait")
    login_wait: float = Field(60, gt=0, description="the longest he has to wait, in seconds")
    login_hours: float = Field(12, gt=0, le=24 * 365, description="how long a login by password lasts")


class Flight(Section):
    """The Arrow Flight SQL server."""

    host: str = "127.0.0.1"
    port: int = Field(32010, ge=0, le=65535, description="0 = any free one")


class Web(Section):
    """The console."""

    host: str = "127.0.0.1"
    port: int = Field(8080, ge=0, le=65535, description="0 = any free one")


class Journal(Section):
    """What happened, kept."""

    flush_seconds: float = Field(0.2, gt=0, le=60, description="how long an entry nobody waits for may stay in memory")
    buffer: int = Field(10_000, ge=1, description="entries in memory before a writer waits")
    statements: bool = Field(True, description="record every statement")
    answers: bool = Field(True, description="keep what ask and run_mode answered, for answers()")


class Config(BaseSettings):
    """All settings of one home. Build it with `load`."""

    model_config = SettingsConfigDict(
        env_prefix="LAKEHOUSE_",
        env_nested_delimiter="__",
        extra="forbid",
        frozen=True,
        nested_model_default_partial_update=True,
    )
    engine: Engine = Field(default_factory=Engine)  # type: ignore[arg-type]  # pydantic fills the defaults
    limits: Limits = Field(default_factory=Limits)  # type: ignore[arg-type]
    ingest: Ingest = Field(default_factory=Ingest)  # type: ignore[arg-type]
    models: Models = Field(default_factory=Models)  # type: ignore[arg-type]
    search: Search = Field(default_factory=Search)  # type: ignore[arg-type]
    tuner: Tuner = Field(default_factory=Tuner)  # type: ignore[arg-type]
    relevance: Relevance = Field(default_factory=Relevance)  # type: ignore[arg-type]
    downgrade: Downgrade = Field(default_factory=Downgrade)  # type: ignore[arg-type]
    memory: Memory = Field(default_factory=Memory)  # type: ignore[arg-type]
    judge: Judge = Field(default_factory=Judge)  # type: ignore[arg-type]
    pathway: Pathway = Field(default_factory=Pathway)  # type: ignore[arg-type]
    access: Access = Field(default_factory=Access)  # type: ignore[arg-type]
    flight: Flight = Field(default_factory=Flight)  # type: ignore[arg-type]
    web: Web = Field(default_factory=Web)  # type: ignore[arg-type]
    journal: Journal = Field(default_factory=Journal)  # type: ignore[arg-type]

    sections: ClassVar[tuple[str, ...]] = (
        "engine", "limits", "ingest", "models", "search", "tuner", "relevance", "downgrade", "memory", "judge",
        "pathway", "access", "flight", "web", "journal",
    )  # fmt: skip


@dataclass(frozen=True)
class Loaded:
    """A configuration and the origin of each value."""

    config: Config
    origins: Mapping[str, str] = field(default_factory=dict)

    def rows(self) -> list[dict[str, str]]:
        """One row a setting: key, value, origin, description."""
        return [
            {
                "key": f"{section}.{name}",
                "value": str(getattr(getattr(self.config, section), name)),
                "origin": self.origins.get(f"{section}.{name}", "default"),
                "description": info.description or "",
            }
            for section in Config.sections
            for name, info in type(getattr(self.config, section)).model_fields.items()
        ]


def load(home: Path, overrides: Mapping[str, Any] | None = None) -> Loaded:
    """Read the configuration of `home`; `overrides` are dotted keys (`{'flight.port': 0}`) and win over all else.

    Raises Invalid for a file that is not TOML, an unknown key or a value of the wrong type.
    """
    _refuse_unknown_environment()
    layers = [
        ("lakehouse.toml", _flatten(_read_toml(home / "lakehouse.toml"))),
        ("environment", {key: os.environ[name] for name, key in KNOBS.items() if os.environ.get(name)}),
        ("environment", _flatten(_read_environment())),
        ("argument", dict(overrides or {})),
    ]
    origins: dict[str, str] = {}
    merged: dict[str, dict[str, Any]] = {}
    for origin, values in layers:
        for key, value in values.items():
            _refuse_unknown(key, origin)
            section, _, name = key.partition(".")
            merged.setdefault(section, {})[name] = value
            origins[key] = origin
    try:
        return Loaded(Config.model_validate(merged), origins)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"][:2])
        raise Invalid(f"setting {key} ({origins.get(key, 'default')}): {first['msg']}", "see lakehouse check") from None


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        if not path.exists():
            return {}
    except OSError as error:  # it is the folder that cannot be entered
        raise faults.unopened(OSError(error.errno, error.strerror, str(path.parent)), str(path.parent)) from None
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Invalid(f"lakehouse.toml is not valid TOML: {error}", "correct or remove the line") from None
    except OSError as error:
        raise Invalid(f"lakehouse.toml cannot be read: {error.strerror}", "correct its rights or remove it") from None


def _read_environment() -> dict[str, Any]:
    try:
        return EnvSettingsSource(Config)()
    except SettingsError as error:
        raise Invalid(
            f"a setting of the environment is not valid JSON: {error}",
            "a list is written as LAKEHOUSE_INGEST__ALLOWED='[\"/data\"]'",
        ) from None


def _flatten(values: Mapping[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for section, keys in values.items():
        if isinstance(keys, Mapping) and section in Config.sections:
            flat.update({f"{section}.{name}": value for name, value in keys.items()})
        else:
            flat[section] = keys
    return flat


def _known_keys() -> list[str]:
    return [
        f"{section}.{name}"
        for section in Config.sections
        for name in Config.model_fields[section].annotation.model_fields  # type: ignore[union-attr]
    ]


def _refuse_unknown(key: str, origin: str) -> None:
    if key not in _known_keys():
        raise Invalid(f"unknown setting {key!r} ({origin})", nearest(key, _known_keys()))


def _refuse_unknown_environment() -> None:
    known = {"LAKEHOUSE_" + key.replace(".", "__").upper() for key in _known_keys()} | {
        "LAKEHOUSE_HOME",
        "LAKEHOUSE_TOKEN",
    }
    for name in os.environ:
        if name.startswith("LAKEHOUSE_") and name.upper() not in known:
            raise Invalid(f"unknown setting in the environment: {name}", nearest(name, known))
