"""What a process does that is to be killed: it looks at what the last one left, ends that, goes on, and dies.

The operations follow one another: each finds the corpus as the one before has left it, and the last one drops it. A
point is a function of the product and whether the process dies before or after it. A random point is the n-th time that
a file of a corpus is opened, renamed or removed, or a transaction of the control plane begins or ends.
"""

import functools
import importlib
import json
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from engine.lake import Lake
from engine.search import generation, history
from engine.search.vectors import choosing
from lakehouse import open_lake
from tests.engine.search.indexed import SETTINGS, settle, table

ROWS, MORE, GONE, FOLD = 120, 10, 10, 60
MISSED = 7  # what a process exits with that did not come to its point
EVENTS = ("open", "os.rename", "os.remove", "os.mkdir", "os.rmdir")
FILE = "docs.lhv1"
FIND = "select id, _score from vector_search('forklift night', corpora := ['docs'], k := 1000, generation := ?)"
WORDS = "select id from text_search('forklift night', corpora := ['docs'], k := 1000)"
Point = tuple[str, str] | int
Step = tuple[str, Point | None]  # an operation, and where it ends; None: it does not


@dataclass(frozen=True)
class State:
    """What a corpus is to a reader: None where there is none."""

    ids: tuple[str, ...] | None
    engine: str | None = None
    segments: int = 0
    answer: tuple[tuple[str, float], ...] = ()

    def like(self, other: "State") -> bool:
        """Whether both are the same corpus, whatever the scores."""
        return (self.ids, self.engine, self.segments) == (other.ids, other.engine, other.segments)


def ids(first: int, end: int) -> tuple[str, ...]:
    """The documents of a range of numbers."""
    return tuple(f"d{number:06d}" for number in range(first, end))


@dataclass(frozen=True)
class Operation:
    """Something that is done to a corpus, what is done before that, and what is there before and after."""

    sql: str
    before: State
    after: State
    given: tuple[str, ...] = ()
    rows: tuple[int, int] | None = None  # further documents of the source: the first, and the one behind the last
    events: int = 40  # about how many there are


REFRESH = "select * from refresh_corpus('docs')"
BACK = "select * from rollback_index('docs')"
FULL, GROWN, LEFT = ids(0, ROWS), ids(0, ROWS + MORE), ids(GONE, ROWS + MORE)
OPERATIONS = {
    "create": Operation(
        "select * from create_corpus('docs', source := 'docs', id := 'id', text := 'text')",
        State(None),
        State(FULL, "exact", 1),
        given=("drop table if exists docs",),
        rows=(0, ROWS),
        events=60,
    ),
    "refresh": Operation(
        REFRESH, State(FULL, "exact", 1), State(GROWN, "exact", 2), rows=(ROWS, ROWS + MORE), events=60
    ),
    "delete": Operation(
        REFRESH,
        State(GROWN, "exact", 2),
        State(LEFT, "exact", 2),
        given=(f"delete from docs where id < 'd{GONE:06d}'",),
    ),
    "build": Operation(
        "select * from build_index('docs', engine := 'usearch', m := 8, wait := true)",
        State(LEFT, "exact", 2),
        State(LEFT, "usearch", 2),
    ),
    "rollback": Operation(BACK, State(LEFT, "usearch", 2), State(LEFT, "exact", 2), events=10),
    "promote": Operation(
        "select * from promote_index('docs', (select max(generation) from lake.generations where engine = 'usearch'))",
        State(LEFT, "exact", 2),
        State(LEFT, "usearch", 2),
        events=10,
    ),
    "import": Operation(
        "select * from import_index('docs', getvariable('file'))",
        State(LEFT, "exact", 2),
        State(LEFT, "usearch", 2),
        given=("select * from export_index('docs', getvariable('file'))", BACK),
    ),
    "fold": Operation(
        REFRESH,
        State(LEFT, "usearch", 2),
        State(ids(GONE, ROWS + MORE + FOLD), "usearch", 1),
        rows=(ROWS + MORE, ROWS + MORE + FOLD),
        events=120,
    ),
    "drop": Operation(
        "select * from drop_corpus('docs')",
        State(ids(GONE, ROWS + MORE + FOLD), "usearch", 1),
        State(None),
        events=60,
    ),
}


def state(lake: Lake) -> State:
    """What a reader finds."""
    if "docs" not in lake.corpora.names():
        return State(None)
    opened, session = lake.corpora.live("docs"), lake.session()
    answer = tuple((str(row["id"]), float(str(row["_score"]))) for row in session.run(FIND, [opened.name]).rows())
    found = {id for id, _ in answer} | {str(row["id"]) for row in session.run(WORDS).rows()}
    return State(tuple(sorted(found)), opened.manifest.engine, len(opened.manifest.parts), answer)


def wrong(lake: Lake) -> list[str]:
    """What is half of anything: on the disk, or in the control plane."""
    found = []
    with lake.control() as cursor:
        rows = cursor.execute("select corpus, generation, status, manifest from control.generation").fetchall()
        lives = {corpus: history.live(cursor, corpus) for corpus, *_ in rows}
    manifests = [generation.parse(text) for *_, text in rows]
    root = lake.corpora.folder("docs").parent
    folders = {path.name for path in root.iterdir()} if root.is_dir() else set()
    if folders - {"docs"} or (folders and not rows):
        found.append(f"folders of corpora: {sorted(folders)}")
    there = {path.name for path in (root / "docs").iterdir()} if rows else set()
    wanted = {folder.partition("/")[0] for folder in generation.folders(manifests)}
    if there != wanted:
        found.append(f"there are {sorted(there)}, wanted {sorted(wanted)}")
    if any(status == "building" for _, _, status, _ in rows):
        found.append("a build without an end")
    if any(live not in {name for corpus_of, name, *_ in rows if corpus_of == one} for one, live in lives.items()):
        found.append(f"a pointer to nothing: {lives}")
    for manifest in manifests:  # raises where a row claims what is not there
        lake.corpora.opened(manifest, deep=True)
    return found


def die() -> None:
    """As if by `kill -9`."""
    os.kill(os.getpid(), signal.SIGKILL)


def at_point(point: str, when: str) -> None:
    """Die before or after a function, wherever its name stands."""
    place, _, names = point.partition(":")
    owner: Any = importlib.import_module(place)
    *outer, name = names.split(".")
    for part in outer:
        owner = getattr(owner, part)
    original = getattr(owner, name)

    @functools.wraps(original)
    def dying(*arguments: Any, **named: Any) -> Any:
        if when == "before":
            die()
        result = original(*arguments, **named)
        die()
        return result

    setattr(owner, name, dying)
    for module in [one for key, one in sys.modules.items() if key.startswith("engine.")]:
        for key, value in list(vars(module).items()):
            if value is original:
                setattr(module, key, dying)


def at_event(number: int, lake: Lake) -> None:
    """Die at the n-th change of the files of corpora, or begin or end of a transaction."""
    left = [number]
    root = str(lake.corpora.folder("docs").parent)

    def count() -> None:
        left[0] -= 1
        if left[0] <= 0:
            die()

    def hear(event: str, arguments: tuple[Any, ...]) -> None:
        if event in EVENTS and arguments and root in str(arguments[0]):
            count()

    original: Callable[[], Any] = lake.control

    @contextmanager
    def control() -> Iterator[Any]:
        count()
        with original() as cursor:
            yield cursor
            count()
        count()

    lake.control = control  # type: ignore[method-assign]
    sys.addaudithook(hear)


def perform(lake: Lake, operation: Operation) -> None:
    """Do it, and wait for what it begins behind."""
    sql = operation.sql.replace("getvariable('file')", f"'{lake.home.parent / FILE}'")
    lake.session().run(sql).close()
    settle(lake)


def prepare(lake: Lake, operation: Operation) -> None:
    """What comes before an operation."""
    session = lake.session()
    for sql in operation.given:
        session.run(sql.replace("getvariable('file')", f"'{lake.home.parent / FILE}'")).close()
    if operation.rows:
        table(session, "docs", *operation.rows)


def run(home: Path, last: str | None, steps: Sequence[Step]) -> None:
    """Look at what is left of `last`, repeat it if it is not done, take the `steps`, be killed in the last of them."""
    choosing.failure = lambda engine: None  # type: ignore[assignment]  # each process would try each library first
    lake = open_lake(home, settings=SETTINGS, allowed=[home.parent])
    told: dict[str, object] = {}
    if last is not None:
        told["left"] = asdict(state(lake))
        settle(lake)
        found = wrong(lake)
        told["settled"] = asdict(state(lake))
        if not state(lake).like(OPERATIONS[last].after):
            perform(lake, OPERATIONS[last])
        told["repeated"] = asdict(state(lake))
        told["wrong"] = found + wrong(lake)
    for name, point in steps:
        prepare(lake, OPERATIONS[name])
        told["before"] = asdict(state(lake))  # of the operation in which it is killed
        (home.parent / "told.json").write_text(json.dumps(told))
        if isinstance(point, int):
            at_event(point, lake)
        elif point is not None:
            at_point(*point)
        perform(lake, OPERATIONS[name])
        if isinstance(point, int):
            die()
        if point is not None:
            os._exit(MISSED)
    (home.parent / "told.json").write_text(json.dumps(told))
    lake.close()
