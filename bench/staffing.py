"""The staffing company: requests for a role in a city over the résumés of the demo."""

from collections.abc import Iterator
from dataclasses import replace

import duckdb

from bench.collection import Collection, Question, draw
from sql import scripts

NEEDS = (
    "Need {n} {role}s in {city}, {state}",
    "{city} {state}: {n} {role}s wanted",
    "who could start as a {role} around {city}?",
    "looking for {n} {role} for a client in {city}",
    "{role}, {city}, {shift} shift",
    "we are short of {role}s at our {city} site",
)
ALIASES = {
    "forklift operator": "fork truck driver", "warehouse associate": "warehouse hand", "order picker": "stock picker",
    "reach truck operator": "stand-up reach driver", "loader": "freight handler", "packer": "packaging worker",
    "delivery driver": "box truck driver", "pallet jack operator": "walkie rider operator", "line cook": "cook",
    "cold storage worker": "freezer warehouse hand", "registered nurse": "RN", "welder": "welding technician",
}  # fmt: skip


SEED = 42
OTHER_WORKERS = (1200, 800, 2000)
Row = tuple[str, str, str, str, str]  # worker_id, role, city, state, resume


def staffing(workers: int, *, every_form: bool = False) -> Collection:
    """Requests for a role in a city over the résumés of the demo; right is that role there (2) or in its state (1).

    `every_form`: all ways to say a request, also those that belong to no part.
    """
    rows = _resumes(workers, SEED)
    asked = [one for one in _requests(rows) if one.part or every_form]
    return Collection("staffing", "staffing", [(row[0], row[4]) for row in rows], asked)


def other_staffing(number: int) -> Collection:
    """The same of other people, with other draws, without the needs that `staffing` asks for in its part *report*.

    Methods are tried on it: it has no such part.
    """
    reported = {one.need for one in staffing(OTHER_WORKERS[0]).part("report")}
    rows = _resumes(OTHER_WORKERS[number % len(OTHER_WORKERS)], SEED + number)
    asked = [one for one in _requests(rows, number) if one.part and one.need not in reported]
    asked = [one if one.part == "record" else replace(one, part="tune") for one in asked]
    return Collection(f"staffing {number}", "staffing", [(row[0], row[4]) for row in rows], asked)


def _resumes(workers: int, seed: int) -> list[Row]:
    with duckdb.connect() as maker:
        maker.execute(f"set variable workers = {workers}; set variable seed = {seed}")
        for script in scripts("demo"):
            maker.execute(script.text)
        return maker.execute("select worker_id, role, city, state, resume from workers order by 1").fetchall()


def _requests(rows: list[Row], *salt: int) -> Iterator[Question]:
    """Every way to ask for each role in each city where it is; those that belong to no part have none."""
    for role, city, state in sorted({row[1:4] for row in rows}):
        near = {row[0]: 1 for row in rows if row[1] == role and row[3] == state}
        gold = near | {row[0]: 2 for row in rows if row[1:4] == (role, city, state)}
        known = draw("known", role, city, *salt) < 0.65
        for at, need in enumerate(NEEDS):
            where = draw("need", role, city, at, *salt)
            part = "record" if known and where < 0.3 else _asked(where)
            name = ALIASES.get(role, role) if draw("alias", role, city, at, *salt) < 0.4 else role
            shift = ("day", "night", "evening")[int(draw("shift", role, city, at, *salt) * 3)]
            text = need.format(n=2 + int(where * 9), role=name, city=city, state=state, shift=shift)
            yield Question(text, part, gold, f"{role}, {city}")


def _asked(where: float) -> str:
    return "tune" if 0.8 <= where < 0.9 else "report" if where >= 0.9 else ""
