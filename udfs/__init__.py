"""The SQL door: kernels that DuckDB calls, one module per area. Arrow in, Arrow out, and nothing else."""

from pathlib import Path
from typing import Any

from engine.lake import Lake
from udfs import access, composer, memory, models, pathways, repository, search, storage
from udfs.kernel import Kernel, installable

AREAS = (access, storage, search, repository, memory, pathways, composer, models)


def kernels() -> list[Kernel]:
    """Every kernel of every area."""
    return [kernel for area in AREAS for kernel in area.KERNELS]


def open_lake(home: str | Path, **options: Any) -> Lake:
    """Open the lake of `home` with all its SQL functions. The options are those of `engine.lake.Lake`.

    Raises Conflict when another process has the home open.
    """
    lake = Lake(Path(home), **options)
    try:
        lake.install(installable(lake, kernels()), packaged=True)
    except BaseException:
        lake.close()
        raise
    return lake
