"""The definitions of corpora: what each was asked to be made of."""

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from engine.errors import Conflict, Invalid, NotFound, nearest

if TYPE_CHECKING:
    from engine.lake import Lake

LONGEST_NAME = 200
COLUMNS = "corpus, description, source, id_column, text_column, metadata, embedder, chunk_size, refresh, owner"


@dataclass(frozen=True)
class Definition:
    """A corpus as it was asked for."""

    corpus: str
    description: str | None
    source: str
    id_column: str
    text_column: str
    metadata: list[str] | None
    embedder: str
    chunk_size: int
    refresh: str
    owner: str | None = None  # the profile with whose rights the source is read; None: an admin

    def row(self) -> list[Any]:
        """The values in the order of COLUMNS."""
        return list(vars(self).values())


class Definitions:
    """The corpora that there are."""

    def __init__(self, lake: "Lake") -> None:
        """They are read when first asked for."""
        self._lake = lake
        self._lock = threading.Lock()
        self._known: dict[str, Definition] | None = None  # by name; this process is the only one that changes them

    def names(self) -> list[str]:
        """The names of all corpora, sorted. Each has a live generation: both come into being in one transaction."""
        return sorted(self._definitions())

    def definition(self, corpus: str) -> Definition:
        """The definition of a corpus; raises NotFound naming the nearest."""
        known = self._definitions()
        if corpus not in known:
            raise NotFound(f"corpus {corpus!r} does not exist", nearest(corpus, known))
        return known[corpus]

    def exists(self, corpus: str) -> bool:
        """Whether there is a corpus of that name."""
        return corpus in self._definitions()

    def _definitions(self) -> dict[str, Definition]:
        with self._lock:
            known = self._known
        if known is None:
            with self._lake.control() as cursor:
                rows = cursor.execute(f"select {COLUMNS} from control.corpus").fetchall()
            known = {row[0]: Definition(*row) for row in rows}
            with self._lock:
                self._known = known
        return known

    def refuse_other(self, wanted: Definition) -> None:
        """Raise Conflict when the corpus exists with another definition."""
        found = self.definition(wanted.corpus)
        told = {name: value for name, value in vars(wanted).items() if name not in ("owner", "refresh")}
        differing = [name for name, value in told.items() if value != getattr(found, name)]
        if differing:
            raise Conflict(
                f"corpus {wanted.corpus!r} exists with another {' and '.join(differing)}",
                f"drop_corpus({wanted.corpus!r}) first, or choose another name",
            )

    def change_policy(self, corpus: str, refresh: str) -> None:
        """Give a corpus another refresh policy."""
        with self._lake.control() as cursor:
            cursor.execute("update control.corpus set refresh = ? where corpus = ?", [refresh, corpus])
        with self._lock:
            self._known = None


def check_name(corpus: str | None) -> str:
    """A usable corpus name; raises Invalid."""
    if not corpus or not corpus.strip():
        raise Invalid("the corpus needs a name", "for example 'resumes'")
    if len(corpus) > LONGEST_NAME or any(ord(character) < 32 for character in corpus):
        raise Invalid("the corpus name is too long or holds control characters", f"at most {LONGEST_NAME} characters")
    return corpus
