"""The modes and task classes of a lake: rows that admins change. Read for each run, so that a change holds at once."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from engine import duck
from engine.errors import Conflict, Invalid, NotFound, nearest
from engine.memory import downgrade

if TYPE_CHECKING:
    from engine.lake import Lake

FOCUS, FINGERPRINTS, MATRIX = PARTS = ("focus", "fingerprints", "matrix")  # in the order in which a prompt has them
LONGEST_NAME = 100
LONGEST_INSTRUCTION = 20_000
LONGEST_DESCRIPTION = 10_000


@dataclass(frozen=True)
class Mode:
    """What goes into a prompt: its parts, of PARTS, below an instruction."""

    mode: str
    parts: tuple[str, ...]
    instruction: str
    description: str | None = None


@dataclass(frozen=True)
class TaskClass:
    """A kind of task: the mode it runs, and what it has of its own."""

    task_class: str
    mode: str
    model: str | None = None
    corpora: tuple[str, ...] | None = None
    instruction: str | None = None
    description: str | None = None


Kind = TypeVar("Kind", Mode, TaskClass)


class Registry:
    """All modes and task classes."""

    def __init__(self, lake: "Lake") -> None:
        """Made by the lake."""
        self._lake = lake

    def modes(self) -> dict[str, Mode]:
        """The modes by name."""
        found = self._rows("select mode, parts, instruction, description from control.mode")
        return {row[0]: Mode(row[0], tuple(row[1]), *row[2:]) for row in found}

    def task_classes(self) -> dict[str, TaskClass]:
        """The task classes by name."""
        columns = "task_class, mode, model, corpora, instruction, description"
        found = [
            TaskClass(name, mode, model, None if corpora is None else tuple(corpora), instruction, description)
            for name, mode, model, corpora, instruction, description in self._rows(
                f"select {columns} from control.task_class"
            )
        ]
        return {one.task_class: one for one in found}

    def _rows(self, sql: str) -> list[tuple[Any, ...]]:
        with self._lake.control() as cursor:
            return cursor.execute(sql).fetchall()

    def mode(self, name: str | None) -> Mode:
        """The mode of that name. Raises NotFound naming the nearest."""
        return _found("mode", name, self.modes())

    def task_class(self, name: str | None) -> TaskClass:
        """The task class of that name. Raises NotFound naming the nearest."""
        return _found("task class", name, self.task_classes())

    def create_mode(self, wanted: Mode, actor: str) -> str:
        """Make a mode or change one; created | changed | exists. Raises Invalid for an unknown part."""
        _check(wanted.mode, wanted, "mode")
        for part in wanted.parts:
            if part not in PARTS:
                raise Invalid(f"unknown part {shown(part)!r} of a mode", nearest(shown(part), PARTS))
        if not wanted.instruction.strip():
            raise Invalid("a mode needs an instruction", "say what the model shall do")
        wanted = Mode(wanted.mode, tuple(part for part in PARTS if part in wanted.parts), *_texts(wanted))
        return self._put("mode", wanted, self.modes().get(wanted.mode), actor)

    def create_task_class(self, wanted: TaskClass, actor: str) -> str:
        """Make a task class or change one; created | changed | exists. Raises NotFound for what it names."""
        _check(wanted.task_class, wanted, "task class")
        if wanted.instruction is not None and not wanted.instruction.strip():
            raise Invalid("the instruction is empty", "leave it out to take that of the mode")
        self.mode(wanted.mode)
        if wanted.model is not None:
            self._lake.models.chat(wanted.model)
        for corpus in wanted.corpora or ():
            self._lake.corpora.definition(corpus)
        if wanted.corpora is not None and not wanted.corpora:
            raise Invalid("the list of corpora is empty", "leave it out to search all of them")
        return self._put("task_class", wanted, self.task_classes().get(wanted.task_class), actor)

    def _put(self, kind: str, wanted: Mode | TaskClass, before: Mode | TaskClass | None, actor: str) -> str:
        if before == wanted:
            return "exists"
        status = "created" if before is None else "changed"
        values = {name: list(one) if isinstance(one, tuple) else one for name, one in vars(wanted).items()}
        with self._lake.control() as cursor:
            cursor.execute(
                f"insert or replace into control.{kind} ({', '.join(values)}) "
                f"values ({', '.join('?' for _ in values)})",
                list(values.values()),
            )
            self._tell(cursor, kind, values | {"action": status}, actor)
        return status

    def drop_mode(self, name: str | None, actor: str) -> str:
        """Remove a mode; dropped. Raises NotFound, or Conflict while a task class or the gate needs it."""
        found = self.mode(name)
        users = sorted(one.task_class for one in self.task_classes().values() if one.mode == found.mode)
        if users:
            raise Conflict(f"the task class {users[0]!r} runs the mode {found.mode!r}", "give it another mode first")
        if found.mode == downgrade.ISOLATED:
            raise Conflict(
                f"the downgrade gate sends strong models to the mode {found.mode!r}", "change it with create_mode"
            )
        return self._drop("mode", found.mode, actor)

    def drop_task_class(self, name: str | None, actor: str) -> str:
        """Remove a task class; dropped. Raises NotFound."""
        return self._drop("task_class", self.task_class(name).task_class, actor)

    def _drop(self, kind: str, name: str, actor: str) -> str:
        with self._lake.control() as cursor:
            cursor.execute(f"delete from control.{kind} where {kind} = ?", [name])
            self._tell(cursor, kind, {kind: name, "action": "dropped"}, actor)
        return "dropped"

    def _tell(self, cursor: duck.Cursor, kind: str, body: dict[str, Any], actor: str) -> None:
        self._lake.journal.record_within(cursor, f"{kind}_change", str(body[kind]), body, actor)


def _texts(mode: Mode) -> tuple[str, str | None]:
    return mode.instruction, mode.description


def shown(name: str | None) -> str:
    """A name that somebody gave, no longer than one can be."""
    return str(name)[:LONGEST_NAME]


def _found(what: str, name: str | None, known: Mapping[str, Kind]) -> Kind:
    if name is None:
        raise Invalid(f"the {what} is NULL", nearest("", known))
    if name not in known:
        raise NotFound(f"{what} {shown(name)!r} does not exist", nearest(shown(name), known))
    return known[name]


def _check(name: str, wanted: Mode | TaskClass, what: str) -> None:
    if not name or not name.strip() or len(name) > LONGEST_NAME or any(ord(character) < 32 for character in name):
        raise Invalid(f"the {what} needs a name of 1 to {LONGEST_NAME} characters", "for example 'code_review'")
    for field, limit in (("instruction", LONGEST_INSTRUCTION), ("description", LONGEST_DESCRIPTION)):
        if len(getattr(wanted, field) or "") > limit:
            raise Invalid(f"the {field} is longer than {limit} characters", "shorten it")
