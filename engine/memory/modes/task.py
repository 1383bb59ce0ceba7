"""What is asked of a mode: a request, and the file that it is about."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from engine import encoded
from engine.errors import Invalid, nearest
from engine.search.relevance import filter as relevance
from engine.search.relevance.score import Focus

OWN = ("prompt", "signal_class")
FIELDS = (*OWN, *relevance.FOCUS_FIELDS)
WHAT = "the prompt"
QUESTION = 4000  # characters that the corpora are searched with: a model of vectors reads no more


@dataclass(frozen=True)
class Task:
    """A request and its focus file; one of the two may be missing."""

    request: str
    signal_class: str
    focus: Focus | None

    @property
    def path(self) -> str | None:
        """The path of the file."""
        return self.focus.path if self.focus else None

    @property
    def is_code(self) -> bool:
        """Whether the relevance filter can tell what is foreign to the focus: by its path or what it defines.

        Symbols that it imports only take away: a chunk would have to be kept by its words alone.
        """
        return self.focus is not None and bool(self.focus.path or self.focus.symbols.defined)

    @property
    def question(self) -> str:
        """What the corpora are searched with: the request, the path and the beginning of the file."""
        content = self.focus.content if self.focus else None
        return "\n".join(part for part in (self.request, self.path, content) if part)[:QUESTION]


def parse(prompt: str) -> Task:
    """A task from JSON: a text is the request; an object has prompt, path, content, signal_class and known symbols.

    A text that is itself an object in JSON is read as one, for clients that pass parameters. Raises Invalid.
    """
    value = encoded.value(prompt, WHAT)
    if isinstance(value, str):
        value = _inner(value)
    if isinstance(value, str):
        value = {"prompt": value}
    if not isinstance(value, Mapping):
        raise Invalid("the prompt is neither a text nor an object", "give {'prompt': …, 'path': …, 'content': …}")
    unknown = [name for name in value if name not in FIELDS]
    if unknown:
        raise Invalid(f"the prompt has an unknown field {unknown[0][:80]!r}", nearest(unknown[0][:80], FIELDS))
    request, signal = (_text(value, name) for name in OWN)
    given = {name: value[name] for name in relevance.FOCUS_FIELDS if value.get(name)}
    task = Task(request.strip(), signal, relevance.parse_focus(given) if given else None)
    if not task.question.strip():
        raise Invalid("the prompt is empty", "ask something, or give a path and a content")
    return task


def _inner(text: str) -> object:
    found = encoded.within(text) if text.lstrip().startswith("{") else None
    if isinstance(found, dict) and found and not set(found) - set(FIELDS):
        return encoded.checked(found, WHAT)
    return text


def _text(value: Mapping[str, Any], name: str) -> str:
    found = value.get(name)
    if found is not None and not isinstance(found, str):
        raise Invalid(f"the field {name!r} of the prompt is not a text", "give a VARCHAR")
    return found or ""


def without_content(task: Task) -> Task:
    """The task for a mode that leaves out the file: its path stays."""
    return task if task.focus is None else replace(task, focus=replace(task.focus, content=None))
