"""Kernels of the area storage: files into datasets, and what the buckets hold."""

from typing import Any

from engine.errors import Forbidden, Invalid
from engine.storage import listing, removal, versions
from engine.storage.buckets import BUCKETS
from engine.storage.datasets import SCHEMA, Place, meant
from engine.storage.ingest import Ingestion, Request
from udfs.kernel import Call, kernel

INGESTED = (
    "STRUCT(dataset VARCHAR, status VARCHAR, bucket VARCHAR, version BIGINT, rows_read BIGINT, rows_added BIGINT, "
    "rows_updated BIGINT, fingerprint VARCHAR, seconds DOUBLE)[]"
)


def may_change(call: Call, dataset: str | None, place: Place) -> None:
    """Raise Forbidden when `dataset`, which need not exist, is at a place where the caller's profile may not write."""
    if not call.session.reach.changes(place.bucket, place.schema, place.name):
        raise Forbidden(f"your profile may not write the dataset {dataset!r}", "ask an admin for a grant on it")


@kernel("_ingest", "VARCHAR, VARCHAR, VARCHAR, VARCHAR, VARCHAR, VARCHAR, VARCHAR", INGESTED, "writes")
def ingest(
    call: Call,
    uri: str | None,
    dataset: str | None,
    key: str | None,
    mode: str | None,
    bucket: str | None,
    format: str | None,
    options: str | None,
) -> list[dict[str, Any]]:
    """Files into a dataset; one row."""
    if uri is None or dataset is None:
        raise Invalid("ingest needs a uri and a dataset", "ingest('workers.csv', 'workers')")
    may_change(call, dataset, Place(bucket or BUCKETS[0], SCHEMA, dataset))
    request = Request(uri, dataset, key, mode or "auto", bucket, format, options)
    return [vars(Ingestion(call.lake, call.statement, request).run())]


@kernel("_drop_dataset", "VARCHAR", "STRUCT(dataset VARCHAR, status VARCHAR, version BIGINT)[]", "writes")
def drop_dataset(call: Call, dataset: str | None) -> list[dict[str, Any]]:
    """Remove a dataset; one row."""
    may_change(call, dataset, meant(call.lake, dataset))
    return [removal.drop_dataset(call.lake, call.statement, dataset)]


@kernel(
    "_delete_rows",
    "VARCHAR, VARCHAR, VARCHAR",
    "STRUCT(dataset VARCHAR, status VARCHAR, rows_deleted BIGINT, version BIGINT)[]",
    "writes",
)
def delete_rows(call: Call, dataset: str | None, keys: str | None, reason: str | None) -> list[dict[str, Any]]:
    """Delete rows by key; one row."""
    may_change(call, dataset, meant(call.lake, dataset))
    return [removal.delete_rows(call.lake, call.statement, dataset, keys, reason)]


@kernel(
    "_rollback_dataset",
    "VARCHAR, BIGINT",
    "STRUCT(dataset VARCHAR, status VARCHAR, version BIGINT, rows BIGINT)[]",
    "writes",
)
def rollback_dataset(call: Call, dataset: str | None, version: int | None) -> list[dict[str, Any]]:
    """Restore the content of a version; one row."""
    may_change(call, dataset, Place(BUCKETS[0], SCHEMA, dataset or ""))
    return [versions.rollback(call.lake, call.statement, dataset, version)]


@kernel(
    "_datasets",
    "",
    "STRUCT(dataset VARCHAR, bucket VARCHAR, schema VARCHAR, rows BIGINT, columns BIGINT, version BIGINT, "
    "key VARCHAR[], bytes BIGINT, files BIGINT, created_at TIMESTAMPTZ, updated_at TIMESTAMPTZ)[]",
    "reads",
)
def datasets(call: Call) -> list[dict[str, Any]]:
    """The datasets of all buckets."""
    return listing.datasets(call.lake, call.statement)


@kernel(
    "_columns",
    "",
    "STRUCT(dataset VARCHAR, bucket VARCHAR, schema VARCHAR, position BIGINT, column_name VARCHAR, type VARCHAR, "
    "nullable BOOLEAN, comment VARCHAR)[]",
    "reads",
)
def columns(call: Call) -> list[dict[str, Any]]:
    """The columns of all datasets."""
    return listing.columns(call.lake, call.statement)


@kernel(
    "_versions",
    "",
    "STRUCT(dataset VARCHAR, bucket VARCHAR, schema VARCHAR, version BIGINT, ts TIMESTAMPTZ, change VARCHAR, "
    "actor VARCHAR, note VARCHAR)[]",
    "reads",
)
def dataset_versions(call: Call) -> list[dict[str, Any]]:
    """What happened to the datasets, version by version."""
    return listing.versions(call.lake, call.statement)


@kernel(
    "_buckets",
    "",
    "STRUCT(bucket VARCHAR, kind VARCHAR, uri VARCHAR, datasets BIGINT, files BIGINT, bytes BIGINT, version BIGINT)[]",
    "reads",
)
def buckets(call: Call) -> list[dict[str, Any]]:
    """The buckets."""
    return listing.buckets(call.lake, call.statement)


@kernel(
    "_ingests",
    "",
    "STRUCT(ts TIMESTAMPTZ, dataset VARCHAR, bucket VARCHAR, version BIGINT, status VARCHAR, uri VARCHAR, "
    "file VARCHAR, sha256 VARCHAR, bytes BIGINT, rows BIGINT, format VARCHAR, fingerprint VARCHAR, key VARCHAR[], "
    "options VARCHAR, restored BIGINT, note VARCHAR, actor VARCHAR, statement_id VARCHAR)[]",
    "reads",
)
def ingests(call: Call) -> list[dict[str, Any]]:
    """The ledgers of all buckets."""
    return listing.ingests(call.lake, call.statement)


KERNELS = [
    ingest, drop_dataset, delete_rows, rollback_dataset, datasets, columns, dataset_versions, buckets, ingests,
]  # fmt: skip
