"""Buckets: named places, each an attached catalog of tables and a folder for blobs."""

from pathlib import Path

from engine import duck

PRIMARY = "primary"


def attach_buckets(root: duck.Cursor, home: Path) -> None:
    """Attach the bucket `primary` of `home`, a DuckLake with its catalog and data in the home."""
    duck.load_extension(root, "ducklake")
    folder = home / "buckets" / PRIMARY
    (folder / "data").mkdir(parents=True, exist_ok=True)
    (folder / "blobs").mkdir(exist_ok=True)
    catalog = duck.literal(f"ducklake:{folder / 'catalog.ducklake'}")
    root.execute(
        f"attach {catalog} as {duck.identifier(PRIMARY)} (data_path {duck.literal(str(folder / 'data') + '/')})"
    )


def blobs(home: Path, bucket: str = PRIMARY) -> Path:
    """The folder of the blobs of a bucket."""
    return home / "buckets" / bucket / "blobs"
