"""What a tuning tries: the points of a grid, each an engine with its parameters, within bounds."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from engine.errors import Conflict, Invalid, nearest
from engine.search.vectors import choosing
from engine.search.vectors.choosing import ENGINES, M_RANGE, SEED, Choice, M

MOST = 50  # points of one grid
USUAL = ((20, 30), (40, 30), (80, 30), (80, 60), (80, 120), (160, 30), (160, 60), (160, 120))  # ef_construction, ef
COMPACT_USUAL = (100, 200, 400)
RANGES: Mapping[str, tuple[int, int]] = {"m": M_RANGE, "ef_construction": (10, 400), "ef": (10, 200)}
COMPACT_RANGES: Mapping[str, tuple[int, int]] = {"ef": (100, 1000)}  # a tenth of the rows that are compared exactly
KEYS = ("engine", *RANGES)
EXAMPLE = "for example [{'ef_construction': 80, 'ef': 60}]"


@dataclass(frozen=True)
class Point:
    """One index to try; of binary codes only `ef` counts."""

    engine: str
    m: int
    ef_construction: int
    ef: int

    @property
    def parameters(self) -> dict[str, int]:
        """The parameters of its index."""
        if self.engine == "compact":
            return {"ef": self.ef}
        return {"m": self.m, "ef_construction": self.ef_construction, "ef": self.ef, "seed": SEED}

    @property
    def choice(self) -> Choice:
        """The index to build."""
        return Choice(self.engine, self.parameters)

    @property
    def built_as(self) -> tuple[str, int, int]:
        """Points that are alike in this share one index."""
        return (self.engine, self.m, self.ef_construction)


def ranges(engine: str) -> Mapping[str, tuple[int, int]]:
    """The parameters of an engine, each with its least and its greatest value."""
    return COMPACT_RANGES if engine == "compact" else RANGES


def usual(engine: str) -> list[Point]:
    """What is tried when no grid is given."""
    if engine == "compact":
        return [Point(engine, 0, 0, ef) for ef in COMPACT_USUAL]
    return [Point(engine, M, construction, ef) for construction, ef in USUAL]


def read(encoded: str, engine: str) -> list[Point]:
    """The points of a grid as JSON, each once; `engine`: of those that name none.

    Raises Invalid naming the entry that is wrong and what is allowed, Conflict for an engine that does not work here.
    """
    value = _decoded(encoded)
    if isinstance(value, str):  # the caller gave JSON as a text
        value = _decoded(value)
    entries = [value] if isinstance(value, dict) else value
    if not isinstance(entries, list) or not entries:
        raise Invalid("the grid is neither a list of points nor JSON of one", EXAMPLE)
    if len(entries) > MOST:
        raise Invalid(f"the grid has {len(entries)} points", f"try at most {MOST} at a time")
    points = [_point(number, entry, engine) for number, entry in enumerate(entries, 1)]
    return list(dict.fromkeys(points))


def _decoded(text: str) -> Any:
    try:
        return json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        raise Invalid(f"the grid is not JSON: {error}", EXAMPLE) from None


def _point(number: int, entry: object, usual_engine: str) -> Point:
    where = f"entry {number} of the grid"
    if not isinstance(entry, dict):
        raise Invalid(f"{where} is not a point", EXAMPLE)
    given = {name: value for name, value in entry.items() if value is not None}
    for name in given:
        if name not in KEYS:
            raise Invalid(f"{where} has an unknown key {name!r}", nearest(name, KEYS))
    engine = given.pop("engine", usual_engine)
    if engine not in ENGINES:
        raise Invalid(f"{where}: unknown engine {engine!r}", nearest(str(engine), ENGINES))
    failure = choosing.failure(engine)
    if failure:
        raise Conflict(f"{where}: the engine {engine} does not work here: {failure}", "leave `engine` out")
    allowed = ranges(engine)
    for name, number_given in given.items():
        if name not in allowed:
            raise Invalid(f"{where}: {engine} has no {name}", "it has " + ", ".join(allowed))
        least, most = allowed[name]
        is_whole = isinstance(number_given, int) and not isinstance(number_given, bool)
        if not is_whole or not least <= number_given <= most:
            raise Invalid(f"{where}: {name} is {number_given}", f"it must be a whole number within {least} and {most}")
    return Point(engine, **{**_defaults(engine), **given})


def _defaults(engine: str) -> dict[str, int]:
    if engine == "compact":
        return {"m": 0, "ef_construction": 0, "ef": COMPACT_USUAL[0]}
    return {"m": M, "ef_construction": choosing.EF_CONSTRUCTION, "ef": choosing.EF}


def of_graph(engine: str, parameters: Mapping[str, int]) -> Point:
    """The point at which an index stands."""
    known = {name: parameters.get(name, default) for name, default in _defaults(engine).items()}
    return Point(engine, **known)


def shown(point: Point) -> str:
    """A point for a message."""
    values = ", ".join(f"{name} {value}" for name, value in asdict(point).items() if name in ranges(point.engine))
    return f"{point.engine} with {values}"
