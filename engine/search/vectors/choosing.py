"""Which engine a segment gets, and whether it works on this machine."""

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from engine.errors import Conflict, Invalid, nearest
from engine.search.vectors.compact import Compact
from engine.search.vectors.hnsw import Hnsw
from engine.search.vectors.protocol import VectorIndex
from engine.search.vectors.usearch import Usearch

ENGINES: Mapping[str, type[VectorIndex]] = {"hnswlib": Hnsw, "usearch": Usearch, "compact": Compact}
NAMES = ("exact", *ENGINES)
M, EF_CONSTRUCTION, EF, SEED = 16, 100, 64, 20261
M_RANGE, EF_CONSTRUCTION_RANGE = (4, 64), (10, 1000)
PROBE_SECONDS = 20
PROBES = {  # a program that ends well where the library works
    "hnswlib": "import hnswlib, numpy as n; g = hnswlib.Index('ip', 32); g.init_index(64); "
    "g.add_items(n.random.default_rng(1).random((64, 32), n.float32)); g.knn_query(n.ones(32, n.float32), 3)",
    "usearch": "import numpy as n; from usearch.index import Index; g = Index(ndim=32, dtype='f16'); "
    "g.add(n.arange(64), n.random.default_rng(1).random((64, 32), n.float32)); g.search(n.ones(32, n.float32), 3)",
}


@dataclass(frozen=True)
class Wish:
    """What a caller asks of an index; None: as the lake has it."""

    engine: str | None = None
    m: int | None = None
    ef_construction: int | None = None

    def check(self) -> None:
        """Raise Invalid for an unknown engine or a number outside its range."""
        if self.engine is not None and self.engine not in NAMES:
            raise Invalid(f"unknown engine {self.engine!r}", nearest(self.engine, NAMES))
        for name, value, (least, most) in (
            ("m", self.m, M_RANGE),
            ("ef_construction", self.ef_construction, EF_CONSTRUCTION_RANGE),
        ):
            if value is not None and not least <= value <= most:
                raise Invalid(f"{name} is {value}", f"it must be within {least} and {most}")


@dataclass(frozen=True)
class Choice:
    """An engine with its parameters, and why it is another one than the usual."""

    engine: str
    parameters: dict[str, int]
    reason: str | None = None


def choose(wish: Wish, rows: int, usual: str, compact_rows: int) -> Choice:
    """The engine for a segment of so many rows. `usual`: the setting [search] engine.

    Raises Conflict when a wished engine does not work here.
    """
    wished = wish.engine or (usual if usual != "auto" else None)
    if wished is None and rows >= compact_rows:
        wished = "compact"
    if wished == "exact":
        return Choice("exact", {})
    if wished == "compact":
        return Choice("compact", {})
    lacking = [name for name in ("hnswlib", "usearch") if failure(name)]
    if wished in lacking:
        raise Conflict(f"the engine {wished} does not work here: {failure(wished)}", "leave `engine` out")
    left = [name for name in ("hnswlib", "usearch") if name not in lacking]
    if not left:
        return Choice("compact", {}, f"no graph engine works here: {failure('hnswlib')}")
    engine = wished or left[0]
    reason = f"hnswlib does not work here: {failure('hnswlib')}" if wished is None and engine != "hnswlib" else None
    parameters = {"m": wish.m or M, "ef_construction": wish.ef_construction or EF_CONSTRUCTION, "ef": EF, "seed": SEED}
    return Choice(engine, parameters, reason)


@cache
def failure(engine: str) -> str | None:
    """Why an engine does not work on this machine; None when it does.

    hnswlib is compiled for the processor of the machine that installs it. On another one it may end the process with an
    illegal instruction, so a process of its own tries it first.
    """
    if engine not in PROBES:
        return None
    command = [sys.executable, "-c", PROBES[engine]]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    try:
        tried = subprocess.run(command, env=environment, capture_output=True, timeout=PROBE_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"it cannot be tried ({type(error).__name__})"
    if tried.returncode < 0:
        return f"it ends with signal {-tried.returncode}; it was compiled for another processor"
    if tried.returncode:
        lines = tried.stderr.decode(errors="replace").strip().splitlines()
        return lines[-1][:200] if lines else f"it ends with {tried.returncode}"
    return None
