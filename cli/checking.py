"""What `lakehouse check` shows: the configuration, and one line for each part that must work."""

from collections.abc import Callable
from pathlib import Path

import duckdb
import pyarrow as pa

from cli.serving import running_server
from engine.config import load
from engine.errors import LakehouseError
from engine.lake import Lake
from udfs import open_lake


def facts(home: Path) -> tuple[pa.Table, pa.Table]:
    """(settings with their origins, parts with their state)."""
    settings = pa.Table.from_pylist(load(home).rows()).select(["key", "value", "origin", "description"])
    running = running_server(home)
    lines = [("duckdb", "ok", duckdb.__version__), _model(home)]
    if running:
        lines.append(("server", "running", f"{running['flight']}  {running['web']}"))
    else:
        lines += _home(home)
    return settings, pa.table([list(column) for column in zip(*lines, strict=True)], names=["part", "state", "detail"])


def _state(part: str, look: Callable[[], str]) -> tuple[str, str, str]:
    try:
        return part, "ok", look()
    except LakehouseError as error:
        return part, "failed", str(error)


def _home(home: Path) -> list[tuple[str, str, str]]:
    if not (home / "lake.duckdb").exists():
        return [("home", "ok", "not made yet; the first command makes it")]
    try:
        lake = open_lake(home)
    except LakehouseError as error:
        return [("home", "failed", str(error))]
    try:
        return [_state("home", lambda: _counts(lake)), *_corpora(lake)]
    finally:
        lake.close()


def _counts(lake: Lake) -> str:
    counts = lake.session().run(
        "select (select count(*) from lake.datasets) as datasets, (select count(*) from lake.corpora) as corpora, "
        "(select count(*) from lake.functions) as functions"
    )
    return ", ".join(f"{value} {name}" for name, value in counts.rows()[0].items())


def _corpora(lake: Lake) -> list[tuple[str, str, str]]:
    """Every file of what is searched, read and compared with its SHA-256."""
    found = lake.corpora.damage.verify()
    failed = [("corpora", "failed", f"{corpus}: {fault}") for corpus, fault in found if fault]
    return failed or [("corpora", "ok", f"every file of {len(found)} is as it was written")] if found else []


def _model(home: Path) -> tuple[str, str, str]:
    from engine.models.models import Models, means_of

    def look() -> str:
        config = load(home).config.models
        embedder = Models(means_of(home, config), default=config.embedder).embedder()
        return f"{embedder.model_id}, {embedder.dimension} dimensions, sha256 {embedder.sha256[:12]}"

    return _state("embedder", look)
