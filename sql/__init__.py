"""Text only: the schema, the views, the function macros and the demo, each a `.sql` file that reads as SQL."""

from dataclasses import dataclass
from importlib.resources import files


@dataclass(frozen=True)
class Script:
    """One `.sql` file."""

    name: str
    text: str


def scripts(folder: str) -> list[Script]:
    """The `.sql` files of `folder` ('schema', 'views', 'functions', 'demo'), in the order of their names."""
    found = [entry for entry in files(__name__).joinpath(folder).iterdir() if entry.name.endswith(".sql")]
    return [
        Script(entry.name, entry.read_text(encoding="utf-8")) for entry in sorted(found, key=lambda entry: entry.name)
    ]


def words(name: str) -> frozenset[str]:
    """The lines of a word list of this room, without comments and blank lines."""
    text = files(__name__).joinpath(name).read_text(encoding="utf-8")
    return frozenset(line.strip() for line in text.splitlines() if line.strip() and not line.startswith("--"))
