"""The staffing company: requests for a role in a city over the résumés of the demo."""

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


def staffing(workers: int, *, every_form: bool = False) -> Collection:
    """Requests for a role in a city over the résumés of the demo; right is that role there (2) or in its state (1).

    `every_form`: all ways to say a request, also those that belong to no part.
    """
    with duckdb.connect() as maker:
        maker.execute(f"set variable workers = {workers}; set variable seed = 42")
        for script in scripts("demo"):
            maker.execute(script.text)
        rows = maker.execute("select worker_id, role, city, state, resume from workers order by 1").fetchall()
    questions = []
    for role, city, state in sorted({row[1:4] for row in rows}):
        near = {row[0]: 1 for row in rows if row[1] == role and row[3] == state}
        gold = near | {row[0]: 2 for row in rows if row[1:4] == (role, city, state)}
        known = draw("known", role, city) < 0.65
        for at, need in enumerate(NEEDS):
            where = draw("need", role, city, at)
            part = "record" if known and where < 0.3 else _asked(where)
            name = ALIASES.get(role, role) if draw("alias", role, city, at) < 0.4 else role
            shift = ("day", "night", "evening")[int(draw("shift", role, city, at) * 3)]
            if part or every_form:
                text = need.format(n=2 + int(where * 9), role=name, city=city, state=state, shift=shift)
                questions.append(Question(text, part, gold, f"{role}, {city}"))
    return Collection("staffing", "staffing", [(row[0], row[4]) for row in rows], questions)


def _asked(where: float) -> str:
    return "tune" if 0.8 <= where < 0.9 else "report" if where >= 0.9 else ""
