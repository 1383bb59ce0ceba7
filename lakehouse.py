"""Lakehouse: an embedded, SQL-centric AI lakehouse. `connect()` in Python, `lakehouse` on the command line."""

from pathlib import Path
from typing import Any

from engine.lake import Lake
from udfs import install

__version__ = "0.1.0"


def open_lake(home: str | Path, **options: Any) -> Lake:
    """Open the lake of `home` with all its SQL functions. See `engine.lake.Lake` for the options."""
    lake = Lake(Path(home), **options)
    try:
        return install(lake)
    except BaseException:
        lake.close()
        raise
