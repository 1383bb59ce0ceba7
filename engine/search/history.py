"""Which generation of a corpus is live, and which were before: one row is the swap, a stack is the way back."""

from collections.abc import Sequence
from dataclasses import dataclass

from engine import duck
from engine.errors import NotFound, nearest

KEPT_ASIDE = 3  # generations that were built or rolled back, and are neither live nor in the history


@dataclass(frozen=True)
class Entry:
    """A generation as the control plane has it."""

    generation: str
    status: str  # building, built, served, damaged
    manifest: str  # JSON


def live(cursor: duck.Cursor, corpus: str) -> str | None:
    """The name of the live generation."""
    row = cursor.execute("select generation from control.live where corpus = ?", [corpus]).fetchone()
    return str(row[0]) if row else None


def entries(cursor: duck.Cursor, corpus: str) -> list[Entry]:
    """All generations of a corpus, the newest first."""
    sql = "select generation, status, manifest from control.generation where corpus = ? order by generation desc"
    return [Entry(*row) for row in cursor.execute(sql, [corpus]).fetchall()]


def entry(cursor: duck.Cursor, corpus: str, generation: str | None) -> Entry:
    """One generation; raises NotFound naming the nearest."""
    known = {one.generation: one for one in entries(cursor, corpus)}
    if generation not in known:
        raise NotFound(f"corpus {corpus!r} has no generation {generation!r}", nearest(generation or "", list(known)))
    return known[generation]


def advance(cursor: duck.Cursor, corpus: str, generation: str, note: str | None, limit: int) -> str | None:
    """Make a generation live and put the one before onto the stack, which keeps `limit`; returns that one."""
    previous = live(cursor, corpus)
    if previous is not None:
        cursor.execute(
            "insert into control.history (corpus, place, generation, note) "
            "select ?, coalesce(max(place), 0) + 1, ?, ? from control.history where corpus = ?",
            [corpus, previous, note, corpus],
        )
        cursor.execute(
            "delete from control.history where corpus = ? "
            "and place <= (select max(place) - ? from control.history where corpus = ?)",
            [corpus, limit, corpus],
        )
    _point(cursor, corpus, generation)
    return previous


def go_back(cursor: duck.Cursor, corpus: str) -> tuple[str | None, str | None]:
    """Make the generation on top of the stack live: (it, the one before); (None, …) when the stack is empty."""
    before = live(cursor, corpus)
    row = cursor.execute(
        "select place, generation from control.history where corpus = ? order by place desc limit 1", [corpus]
    ).fetchone()
    if row is None:
        return None, before
    cursor.execute("delete from control.history where corpus = ? and place = ?", [corpus, row[0]])
    _point(cursor, corpus, str(row[1]))
    return str(row[1]), before


def top(cursor: duck.Cursor, corpus: str) -> str | None:
    """The generation on top of the stack."""
    row = cursor.execute(
        "select generation from control.history where corpus = ? order by place desc limit 1", [corpus]
    ).fetchone()
    return str(row[0]) if row else None


def stack(cursor: duck.Cursor, corpus: str) -> list[Entry]:
    """The generations that were live before, the last one first."""
    sql = (
        "select generation, status, manifest from control.history join control.generation using (corpus, generation) "
        "where corpus = ? order by place desc"
    )
    return [Entry(*row) for row in cursor.execute(sql, [corpus]).fetchall()]


def step_back(cursor: duck.Cursor, corpus: str, generation: str, reason: str) -> None:
    """Make a generation of the stack live; what is live, and what stands above it on the stack, is damaged."""
    above = "select max(place) from control.history where corpus = ? and generation = ?"
    rows = cursor.execute(
        f"select generation from control.history where corpus = ? and place > ({above})", [corpus, corpus, generation]
    ).fetchall()
    for one in (live(cursor, corpus), *(str(row[0]) for row in rows)):
        set_aside(cursor, corpus, str(one), reason)
    cursor.execute("delete from control.history where corpus = ? and generation = ?", [corpus, generation])
    _point(cursor, corpus, generation)


def set_aside(cursor: duck.Cursor, corpus: str, generation: str, reason: str) -> None:
    """Let a generation be damaged: not live, and not what a rollback goes to."""
    excuse(cursor, corpus, generation, reason)
    cursor.execute(
        "update control.generation set status = 'damaged' where corpus = ? and generation = ?", [corpus, generation]
    )
    cursor.execute("delete from control.history where corpus = ? and generation = ?", [corpus, generation])


def excuse(cursor: duck.Cursor, corpus: str, generation: str, reason: str) -> None:
    """Say why a generation is not what it was."""
    cursor.execute(
        "update control.generation set reason = ? where corpus = ? and generation = ?", [reason, corpus, generation]
    )


def forget_old(cursor: duck.Cursor, corpus: str) -> list[Entry]:
    """Remove the rows of generations that nobody may want any more; returns those that are left."""
    found = entries(cursor, corpus)
    rows = cursor.execute("select generation from control.history where corpus = ?", [corpus]).fetchall()
    wanted = {live(cursor, corpus), *(str(row[0]) for row in rows)}
    wanted |= {one.generation for one in found if one.status == "building"}
    aside = [one.generation for one in found if one.generation not in wanted]
    wanted |= set(aside[:KEPT_ASIDE])
    _remove(cursor, corpus, [one.generation for one in found if one.generation not in wanted])
    return [one for one in found if one.generation in wanted]


def _remove(cursor: duck.Cursor, corpus: str, generations: Sequence[str]) -> None:
    for generation in generations:
        cursor.execute("delete from control.generation where corpus = ? and generation = ?", [corpus, generation])


def _point(cursor: duck.Cursor, corpus: str, generation: str) -> None:
    statement = "insert or replace into control.live (corpus, generation, swapped_at) values (?, ?, now())"
    cursor.execute(statement, [corpus, generation])
