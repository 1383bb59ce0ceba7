"""The background tuner: one trial at a time, near what is live or anywhere, while nothing else runs.

What is tried next depends on the trials so far alone: chance is seeded by their number. So it can be replayed.
"""

import json
import random
import time
from collections.abc import Collection
from contextlib import suppress
from dataclasses import asdict
from typing import TYPE_CHECKING

from engine.errors import Busy, Conflict, NotFound
from engine.search import grid
from engine.search.generation import Manifest
from engine.search.grid import Point
from engine.search.tuning import Aim, Tuning
from engine.search.vectors import choosing

if TYPE_CHECKING:
    from engine.lake import Lake

ORIGIN = "background"
ANYWHERE = 0.25  # how often a trial is drawn from all that is allowed, instead of near the live one
FAR = 0.5  # a near one is at most this power of two away, in both directions
TRIES = 20
HOUR = 3600.0
BUSY_SECONDS = 5.0


class Tuner:
    """Tries one index after the other."""

    def __init__(self, lake: "Lake") -> None:
        """Made by the lake; does nothing unless [tuner] enabled."""
        self._lake, self._settings = lake, lake.config.tuner
        self._next = 0.0  # by time.monotonic

    def turn(self) -> float | None:
        """Begin a trial when it is time and nothing runs; returns the seconds until the next turn, None for never."""
        if not self._settings.enabled:
            return None
        now = time.monotonic()
        if now < self._next:
            return self._next - now
        if self._lake.executions or self._lake.corpora.builds.running():
            return BUSY_SECONDS
        self._next = now + HOUR / self._settings.per_hour
        with suppress(Busy, Conflict, NotFound):  # a corpus that went or is built meanwhile; the next turn comes
            if self._in_the_last_hour() < self._settings.per_hour:
                self._try_one()
        return HOUR / self._settings.per_hour

    def _in_the_last_hour(self) -> int:
        with self._lake.control() as cursor:
            row = cursor.execute(
                "select count(*) from control.journal where kind = 'trial' and ts > to_timestamp(?) "
                "and (body::json ->> 'origin') = ?",
                [self._lake.clock() - HOUR, ORIGIN],
            ).fetchone()
        return int(row[0]) if row else 0

    def _try_one(self) -> None:
        """Of the corpora with an index, the one with the fewest trials."""
        manifests = [one.manifest for one in self._lake.corpora.usable()]
        tried = [(self._history(one), one) for one in manifests if _can_be_tuned(one)]
        for history, manifest in sorted(tried, key=lambda one: (len(one[0]), one[1].corpus)):
            point = propose(manifest, history)
            if point is not None:
                aim = Aim(self._settings.min_recall, origin=ORIGIN)
                wanted = {name: value for name, value in asdict(point).items() if name in ("engine", *_keys(point))}
                Tuning(self._lake, manifest.corpus, json.dumps([wanted]), aim, None).begin(lambda: None)
                return

    def _history(self, manifest: Manifest) -> list[Point]:
        with self._lake.control() as cursor:
            rows = cursor.execute(
                "select body from control.journal where kind = 'trial' and subject = ? order by entry",
                [manifest.corpus],
            ).fetchall()
        bodies = [json.loads(text) for (text,) in rows]
        return [grid.of_graph(body["engine"], body["parameters"]) for body in bodies]


def _can_be_tuned(manifest: Manifest) -> bool:
    return manifest.graph is not None and not choosing.failure(manifest.graph.engine)


def _keys(point: Point) -> Collection[str]:
    return grid.ranges(point.engine)


def propose(manifest: Manifest, history: list[Point]) -> Point | None:
    """A point that was not tried: near the live one, sometimes anywhere; None when none is found."""
    assert manifest.graph is not None
    live = grid.of_graph(manifest.graph.engine, manifest.graph.parameters)
    chance = random.Random(len(history))
    known = {*history, live}
    for _ in range(TRIES):
        point = _drawn(live, chance)
        if point not in known:
            return point
    return None


def _drawn(live: Point, chance: random.Random) -> Point:
    anywhere = chance.random() < ANYWHERE
    values = asdict(live)
    for name, (least, most) in grid.ranges(live.engine).items():
        if name == "m":  # it stays: more of it takes more memory
            values[name] = min(max(values[name], least), most)
        elif anywhere:
            values[name] = chance.randint(least, most)
        else:
            values[name] = min(max(round(values[name] * 2 ** chance.uniform(-FAR, FAR)), least), most)
    return Point(**values)
