"""Buckets: named places, each an attached catalog of tables and a folder for blobs."""

from pathlib import Path

from engine import duck
from engine.errors import NotFound, nearest
from engine.storage import ledger

PRIMARY = "primary"
BUCKETS = (PRIMARY,)
EXTENSIONS = ("ducklake",)  # of the engine, that buckets need


def attach_buckets(root: duck.Cursor, home: Path) -> None:
    """Attach the bucket `primary` of `home`, a DuckLake with its catalog and data in the home."""
    folder = home / "buckets" / PRIMARY
    (folder / "data").mkdir(parents=True, exist_ok=True)
    (folder / "blobs").mkdir(exist_ok=True)
    catalog = duck.literal(f"ducklake:{folder / 'catalog.ducklake'}")
    data = duck.literal(f"{folder / 'data'}/")  # the catalog keeps the path it was made with; a home may have moved
    root.execute(f"attach {catalog} as {duck.identifier(PRIMARY)} (data_path {data}, override_data_path true)")
    ledger.prepare(root, PRIMARY)


def blobs(home: Path, bucket: str = PRIMARY) -> Path:
    """The folder of the blobs of a bucket."""
    return home / "buckets" / bucket / "blobs"


def find_bucket(name: str | None) -> str:
    """The bucket of that name, the primary one for None. Raises NotFound naming the nearest."""
    if name is None:
        return PRIMARY
    if name not in BUCKETS:
        raise NotFound(f"bucket {name!r} does not exist", nearest(name, BUCKETS))
    return name
