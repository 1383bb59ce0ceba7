"""What the server tells a worker: how to start, and what to run."""

from dataclasses import dataclass, field
from pathlib import Path

Name = tuple[str, str, str]  # catalog, schema, table


@dataclass(frozen=True)
class Surface:
    """The functions of the lake that only read: their macros, and the kernels (name, parameters, returns) they call."""

    macros: tuple[str, ...]  # statements that create their schemas and them
    kernels: tuple[tuple[str, tuple[str, ...], str], ...]


@dataclass(frozen=True)
class Start:
    """What a worker is told at its start. Memory in bytes."""

    memory: int
    threads: int
    spill: Path
    temp_limit: str
    folders: tuple[Path, ...]
    surface: Surface


@dataclass(frozen=True)
class Setting:
    """Where the names of a statement are looked up: what is created first, and the search path."""

    ddl: tuple[str, ...]
    search_path: str


@dataclass(frozen=True)
class Order:
    """One statement: the copy of the catalog and the data that it reads, its setting, its text and values."""

    run: int
    copy: Path
    data: Path
    setting: Setting
    sql: str
    params: object
    tables: dict[Name, bytes] = field(default_factory=dict)  # relations that only the server has, as Arrow streams
    temporary: dict[str, bytes] = field(default_factory=dict)  # temporary tables of the session, likewise
