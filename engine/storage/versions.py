"""Versions: a dataset as it was, restored as a new version. Nothing between is lost: that can be restored as well."""

from typing import TYPE_CHECKING, Any

from engine import duck
from engine.errors import Invalid, NotFound
from engine.statement import Statement
from engine.storage import ducklake, ledger
from engine.storage.buckets import BUCKETS
from engine.storage.columns import fold, missing
from engine.storage.datasets import SCHEMA, Place, working, writing
from engine.storage.removal import record

if TYPE_CHECKING:
    from engine.lake import Lake


def rollback(lake: "Lake", statement: Statement, name: str | None, version: int | None) -> dict[str, Any]:
    """Make the dataset what it was at `version`, as a new version; a dropped one comes back.

    Files that were ingested since are no longer in it and can be ingested again. Raises NotFound for a dataset or a
    version that is not there.
    """
    if name is None or version is None:
        raise Invalid("a dataset and a version are needed", "see lake.versions")
    with working(lake, statement) as cursor, writing(lake, statement):
        lives = _lives(cursor, name)
        place, past = lives[-1]
        now = ducklake.current_version(cursor, place.bucket)
        _check_version(place, [life for _, life in lives], version, now)
        if past.end is None and _is_at(cursor, place, version):
            return _answer(cursor, place, "unchanged", now)
        with duck.transaction(cursor):
            cursor.execute(f"create or replace table {place} as from {place} at (version => {version})")
            entry = ledger.Entry(
                int(lake.clock() * 1e6), place.name, now + 1, "rolled_back", restored=version,
                actor=statement.session.profile, statement_id=statement.statement_id,
            )  # fmt: skip
            ledger.write(cursor, place.bucket, [entry])
        answer = _answer(cursor, place, "restored", now + 1)
    record(lake, statement, "rollback", place.name, {"version": now + 1, "restored": version})
    return answer


def _lives(cursor: duck.Cursor, name: str) -> list[tuple[Place, ducklake.TableLife]]:
    """Every table that the dataset has been, oldest first."""
    known = [(bucket, life) for bucket in BUCKETS for life in ducklake.tables(cursor, bucket) if life.schema == SCHEMA]
    found = [(Place(bucket, SCHEMA, life.name), life) for bucket, life in known if fold(life.name) == fold(name)]
    if not found:
        raise missing(name, {life.name for _, life in known})
    return found


def _check_version(place: Place, lives: list[ducklake.TableLife], version: int, now: int) -> None:
    if any(life.begin <= version < (now + 1 if life.end is None else life.end) for life in lives):
        return
    raise NotFound(
        f"the dataset {place.name!r} has no version {version}", f"it began at {lives[0].begin}; see lake.versions"
    )


def _is_at(cursor: duck.Cursor, place: Place, version: int) -> bool:
    """Whether the dataset is what it was at `version`: untouched since, or since it was rolled back to it."""
    last = ducklake.last_change(cursor, place.bucket, place.name)
    restored = {
        entry.version: entry.restored
        for entry in ledger.entries(cursor, place.bucket, place.name)
        if entry.status == "rolled_back"
    }
    return last <= version or restored.get(last) == version


def _answer(cursor: duck.Cursor, place: Place, status: str, version: int) -> dict[str, Any]:
    row = cursor.execute(f"select count(*) from {place}").fetchone()
    return {"dataset": place.name, "status": status, "version": version, "rows": row[0] if row else 0}
