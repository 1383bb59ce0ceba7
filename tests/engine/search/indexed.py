"""Corpora large enough for an index, with a delta and tombstones, made quickly."""

import time
from pathlib import Path

from engine.lake import Lake
from engine.search.vectors import choosing
from engine.session import Session
from lakehouse import open_lake

WORDS = [
    *("forklift", "welder", "nurse", "night", "crane", "card", "cold", "truck", "order"),
    *("safety", "dock", "shift", "clinic", "weld", "steel", "reach", "pallet"),
]
GRAPH = "usearch" if choosing.failure("hnswlib") else "hnswlib"  # what a corpus gets on this machine
SETTINGS = {"models.embedder": "hash:64", "journal.statements": False, "search.build_threads": 2}
PATIENCE = 60.0


def open_small(home: Path, **settings: object) -> Lake:
    """A lake with the test embedder; corpora of any size get an index when `search.exact_rows` says so."""
    return open_lake(home, settings={**SETTINGS, **settings})


def table(session: Session, name: str, first: int, last: int) -> None:
    """Rows first … last-1 of random words, as a table or more of one."""
    drawn = f"$words[1 + (hash(i * 31 + j * 7 + {len(name)}) % {len(WORDS)})::int]"
    text = f"array_to_string(list_transform(range(8), j -> {drawn}), ' ')".replace("$words", str(WORDS))
    id = "'d' || lpad(i::varchar, 6, '0')"
    rows = f"select {id} as id, {text} as text, i % 10 as part from range({first}, {last}) as r(i)"
    known = session.run(f"select 1 from lake.datasets where dataset = '{name}'").rows()
    session.run(f"insert into {name} {rows}" if known else f"create table {name} as {rows}")


def corpus(session: Session, name: str, rows: int) -> None:
    """A corpus of so many documents."""
    table(session, name, 0, rows)
    session.run(f"select * from create_corpus('{name}', source := '{name}', id := 'id', text := 'text')")


def settle(lake: Lake) -> None:
    """Wait until nothing is being built."""
    until = time.monotonic() + PATIENCE
    while lake.corpora.builds.running():
        assert time.monotonic() < until, "the build does not end"
        lake.corpora.builds.running()[0].done.wait(1)


def build(session: Session, name: str, **extra: object) -> dict[str, object]:
    """Build an index and wait for it."""
    given = "".join(f", {key} := {value!r}" for key, value in extra.items())
    return session.run(f"select * from build_index('{name}', wait := true{given})").rows()[0]
