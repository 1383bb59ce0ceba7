"""`kill -9` at every step of what is done to a corpus: what was live stays, or what comes is, and it goes on."""

import json
import multiprocessing
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.engine.search import killed
from tests.engine.search.killed import OPERATIONS, Point, State, Step

WRITTEN = ("engine.search.build:write_segment", "after")
WITHIN = ("engine.search.history:advance", "after")  # the swap is not committed yet
SWAPPED = ("engine.search.corpora:Corpora._follow", "before")
SAVED = ("engine.search.vectors.usearch:Usearch.save", "after")
TRIED = ("engine.search.indexwork:IndexWork.try_out", "after")
SETTLED = ("engine.search.builds:Builds._settle", "after")
MANIFEST = ("engine.search.generation:write", "after")
MAKING = ("engine.search.indexwork:IndexWork.make", "before")
BEGUN = ("engine.search.builds:Builds._insert", "after")
# Where the files or the rows differ from the point before; first those before the swap, then those behind it.
POINTS: dict[str, tuple[Sequence[tuple[str, str]], Sequence[tuple[str, str]]]] = {
    "create": ([("engine.search.vectors.stored:write", "after"), WRITTEN, WITHIN], [SWAPPED]),
    "refresh": ([MANIFEST, WITHIN], [SWAPPED]),
    "delete": ([WITHIN], [SWAPPED]),
    "build": ([SAVED, WITHIN], [SWAPPED]),
    "rollback": ([("engine.search.history:go_back", "after")], [SWAPPED]),
    "promote": ([WITHIN], [SWAPPED]),
    "import": ([("shutil:copyfile", "after"), SETTLED], [SWAPPED]),
    "fold": (
        [SWAPPED, MAKING, SETTLED],
        [("engine.search.builds:Builds._record", "before")],
    ),
    "drop": (
        [("engine.journal:Journal.record_within", "after")],
        [("shutil:rmtree", "before"), ("os:unlink", "after")],
    ),
}
MORE: dict[str, tuple[Sequence[tuple[str, str]], Sequence[tuple[str, str]]]] = {
    "create": (
        [
            ("engine.search.source:spool", "after"),
            ("engine.search.build:embed", "after"),
            ("engine.search.text:write", "after"),
            ("engine.search.generation:write", "before"),
            MANIFEST,
            ("engine.journal:Journal.record_within", "after"),
        ],
        [("engine.search.leftovers:sweep", "before"), ("engine.search.upkeep:Upkeep.done", "before")],
    ),
    "refresh": ([WRITTEN], [("engine.search.leftovers:sweep", "before")]),
    "delete": ([("engine.search.generation:write", "before"), MANIFEST], [("engine.search.leftovers:sweep", "before")]),
    "build": ([BEGUN, ("engine.search.vectors.usearch:Usearch.save", "before"), TRIED, SETTLED, MANIFEST], []),
    "rollback": ([("engine.journal:Journal.record_within", "after")], []),
    "promote": ([("engine.journal:Journal.record_within", "after")], []),
    "import": ([BEGUN, TRIED, MANIFEST, WITHIN], []),
    "fold": (
        [BEGUN, ("engine.search.folding:contents", "after"), SAVED, TRIED, ("engine.search.folding:onto", "after")],
        [],
    ),
    "drop": ([], []),
}


@dataclass(frozen=True)
class Death:
    """Where a process was killed, and what was so before, was left, became of that, and was after a repetition."""

    name: str
    point: Point
    before: State
    left: State
    settled: State
    repeated: State


def live(folder: Path, last: str | None, steps: Sequence[Step]) -> dict[str, Any]:
    """One process, to its death or, without a last point, to its end; returns what it told."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.engine.search.killed", "udfs"])
    process = context.Process(target=killed.run, args=(folder / "home", last, steps))
    process.start()
    process.join(120)
    assert process.exitcode == (-9 if steps and steps[-1][1] is not None else 0), (last, steps)
    told: dict[str, Any] = json.loads((folder / "told.json").read_text())
    return told


def state(told: dict[str, Any]) -> State:
    ids = None if told["ids"] is None else tuple(told["ids"])
    return State(ids, told["engine"], told["segments"], tuple((id, score) for id, score in told["answer"]))


def go_through(folder: Path, steps: Sequence[Step]) -> list[Death]:
    """Take the steps, with a process for each that is killed."""
    deaths: list[Death] = []
    ends = [at for at, (_, point) in enumerate(steps) if point is not None]
    before: State | None = None
    for at, end in enumerate([*ends, len(steps)]):
        last = steps[ends[at - 1]] if at else None
        told = live(folder, last[0] if last else None, steps[ends[at - 1] + 1 if at else 0 : end + 1])
        if last and last[1] and before:
            assert told["wrong"] == [], last
            left, settled, repeated = (state(told[name]) for name in ("left", "settled", "repeated"))
            deaths.append(Death(last[0], last[1], before, left, settled, repeated))
        before = state(told["before"]) if end < len(steps) else None
    return deaths


def rounds(points: dict[str, tuple[Sequence[tuple[str, str]], Sequence[tuple[str, str]]]]) -> list[Step]:
    """All operations, one after the other, as often as the one with the most points needs."""
    by_name = {name: [*early, *late] for name, (early, late) in points.items()}
    longest = max(len(own) for own in by_name.values())
    return [(name, own[turn] if turn < len(own) else None) for turn in range(longest) for name, own in by_name.items()]


def hold(death: Death, early: bool | None) -> None:
    """`early`: whether the new state must not be there yet; None: it may."""
    operation, told = OPERATIONS[death.name], (death.name, death.point)
    assert death.before.like(operation.before), told
    assert death.repeated.like(operation.after), told
    if death.left.like(operation.before):
        assert death.left.answer == death.before.answer, told
    elif death.left.like(operation.after):
        assert death.name in ("build", "fold", "import") or death.left.answer == death.repeated.answer, told
    else:  # the refresh is live beside the old base; it is folded by itself
        assert death.name == "fold", told
        assert death.left.like(State(operation.after.ids, "usearch", operation.before.segments + 1)), told
    if death.name in ("build", "fold"):  # it is begun anew by itself, and may be there at once
        assert early is None or death.settled.like(operation.after), told
    elif early is not None:
        assert death.left.like(operation.before if early else operation.after), told


@pytest.mark.timeout(600)
@pytest.mark.parametrize("points", [POINTS, pytest.param(MORE, marks=pytest.mark.slow)], ids=["named", "more"])
def test_a_kill_leaves_the_old_or_the_new_and_nothing_half(
    tmp_path: Path, points: dict[str, tuple[Sequence[tuple[str, str]], Sequence[tuple[str, str]]]]
) -> None:
    deaths = go_through(tmp_path, rounds(points))
    assert len(deaths) == sum(len(early) + len(late) for early, late in points.values())
    for death in deaths:
        hold(death, death.point in points[death.name][0])


@pytest.mark.parametrize("kills", [8, pytest.param(100, marks=pytest.mark.slow)])
@pytest.mark.timeout(900)
def test_a_kill_at_any_moment(tmp_path: Path, kills: int) -> None:
    chance, names = random.Random(20261), list(OPERATIONS)
    steps: list[Step] = []
    for turn in range(kills):
        name = names[turn % len(names)]
        steps.append((name, chance.randrange(1, OPERATIONS[name].events)))
    for death in go_through(tmp_path, steps):
        hold(death, None)
