"""The configuration of a home: defaults, then `lakehouse.toml`, then the environment, then arguments.

Every key is also an environment variable: `[flight] port` is `LAKEHOUSE_FLIGHT__PORT`. A key that is not known is an
error that names the nearest one, and each value remembers where it came from (`lakehouse check` shows it).
"""

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_settings import BaseSettings, EnvSettingsSource, SettingsConfigDict
from pydantic_settings.exceptions import SettingsError

from engine.errors import Invalid, nearest


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


class Ingest(Section):
    """Files that may be read."""

    allowed: list[Path] = Field(default_factory=list, description="folders whose files may be ingested")
    max_columns: int = Field(4096, ge=1, description="widest table")
    max_cell_bytes: int = Field(64_000_000, ge=1000, description="largest cell of a CSV or JSON file")


class Models(Section):
    """Embedding models."""

    embedder: str = Field("minilm", description="the embedder of a corpus that names none")
    threads: int = Field(0, ge=0, le=256, description="threads of the embedder; 0 = one a core, at most 4")
    question_cache: int = Field(4096, ge=0, description="question embeddings kept in memory")


class Search(Section):
    """Chunking and search."""

    chunk_size: int = Field(256, ge=16, le=8192, description="tokens of a chunk, at most the model's window")
    overlap: float = Field(0.1, ge=0, lt=0.5, description="share of a chunk repeated in the next one")
    max_k: int = Field(10_000, ge=1, description="largest k")
    question_bytes: int = Field(200_000, ge=100, description="longest question")
    batch_rows: int = Field(2048, ge=1, description="documents chunked and embedded at a time")


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
    ingest: Ingest = Field(default_factory=Ingest)  # type: ignore[arg-type]
    models: Models = Field(default_factory=Models)  # type: ignore[arg-type]
    search: Search = Field(default_factory=Search)  # type: ignore[arg-type]
    flight: Flight = Field(default_factory=Flight)  # type: ignore[arg-type]
    web: Web = Field(default_factory=Web)  # type: ignore[arg-type]
    journal: Journal = Field(default_factory=Journal)  # type: ignore[arg-type]

    sections: ClassVar[tuple[str, ...]] = ("engine", "ingest", "models", "search", "flight", "web", "journal")


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
        return tomllib.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
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
    known = {"LAKEHOUSE_" + key.replace(".", "__").upper() for key in _known_keys()} | {"LAKEHOUSE_HOME"}
    for name in os.environ:
        if name.startswith("LAKEHOUSE_") and name.upper() not in known:
            raise Invalid(f"unknown setting in the environment: {name}", nearest(name, known))
