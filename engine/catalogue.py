"""The catalogue of functions: read from the comments of the macros, the same rows that `lake.functions` shows.

Signature and documentation live in `sql/functions/*.sql`; nothing about a function is written twice.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple, cast

from engine import duck
from engine.access.roles import EFFECTS, Effect
from engine.errors import Internal, Invalid, nearest


@dataclass(frozen=True)
class Function:
    """One function of ours, as `lake.functions` has it."""

    name: str
    area: str
    effect: Effect
    parameters: tuple[str, ...]
    required: int
    signature: str

    def check_arguments(self, positional: int, named: list[str]) -> None:
        """Raise Invalid when a call names an unknown argument, repeats one, or gives too many or too few."""
        usage = f"usage: {self.signature}"
        for name in named:
            if name.lower() not in self.parameters:
                raise Invalid(f"{self.name}() has no argument {name!r}", nearest(name, self.parameters, usage))
        if positional > len(self.parameters):
            raise Invalid(f"{self.name}() takes at most {len(self.parameters)} arguments", usage)
        given = [*self.parameters[:positional], *(name.lower() for name in named)]
        twice = sorted({name for name in given if given.count(name) > 1})
        if twice:
            raise Invalid(f"{self.name}() got the argument {twice[0]!r} twice", usage)
        missing = [name for name in self.parameters[: self.required] if name not in given]
        if missing:
            raise Invalid(f"{self.name}() needs the argument {missing[0]!r}", usage)


class Names(NamedTuple):
    """The functions that there are."""

    ours: Mapping[str, Function]
    taken: frozenset[str]  # names of ours and of the engine's: a macro of such a name would stand before them


_packaged: dict[frozenset[str], Names] = {}  # by the names of the kernels; the scripts are those of the program


def names(cursor: duck.Cursor, kernels: frozenset[str], *, packaged: bool) -> Names:
    """What there is, read once in a process where it is the `packaged` functions: they are the same in every lake."""
    found = _packaged.get(kernels) if packaged else None
    if found is None:
        found = Names(read(cursor), taken(cursor))
        if packaged:
            _packaged[kernels] = found
    return found


def read(cursor: duck.Cursor) -> Mapping[str, Function]:
    """Read every function of ours from `lake.functions`, by name."""
    rows = cursor.execute(
        'select "function", area, effect, parameters, required, signature from lake.functions'
    ).fetchall()
    found: dict[str, Function] = {}
    for name, area, effect, parameters, required, signature in rows:
        if effect not in EFFECTS:
            raise Internal(f"the function {name} declares no effect", "add an @effect line to its comment")
        found[name] = Function(name, area, cast(Effect, effect), tuple(parameters), required, signature)
    return found


def taken(cursor: duck.Cursor) -> frozenset[str]:
    """The names of all functions, ours and the engine's."""
    rows = cursor.execute(
        "select distinct lower(function_name) from duckdb_functions() where database_name in ('system', 'fn')"
    ).fetchall()
    return frozenset(name for (name,) in rows)
