"""The SQL door: kernels that DuckDB calls, one module per area. Arrow in, Arrow out, and nothing else."""

from engine.lake import Lake
from udfs import access, memory, models, search, storage
from udfs.kernel import Kernel, installable

AREAS = (access, storage, search, memory, models)


def kernels() -> list[Kernel]:
    """Every kernel of every area."""
    return [kernel for area in AREAS for kernel in area.KERNELS]


def install(lake: Lake) -> Lake:
    """Give `lake` its SQL functions; until then it answers plain SQL only."""
    lake.install(installable(lake, kernels()))
    return lake
