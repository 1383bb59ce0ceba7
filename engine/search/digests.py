"""The files of generations against what their manifests say: their sizes at each open, their content by SHA-256.

A wrong byte in a graph ends the process, and one in a table of texts may. So everything is compared before it is used,
at 1.7 GB a second, but for large vectors: a wrong byte there is a wrong number, and they are compared behind the
searches. What was compared once in this process is not read again while its time of change stays.
"""

import hashlib
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from engine.errors import Internal
from engine.search.vectors import stored

Files = dict[str, dict[str, object]]  # path in its folder -> bytes, sha256
VECTORS = (stored.NAME, stored.OLD_NAME)
AT_ONCE = 64 << 20  # bytes of vectors that are compared before they are used
PIECE = 4 << 20
AGAIN = "rebuild the corpus"


@dataclass(frozen=True)
class File:
    """A file as it is and as it should be."""

    path: Path
    name: str  # below the folder of the corpus
    sha256: str
    changed: int  # its time of change, in nanoseconds


class Digests:
    """What has been compared in this process, and what was found wrong."""

    def __init__(self) -> None:
        """Nothing is known."""
        self._lock = threading.Lock()
        self._right: set[File] = set()
        self._wrong: set[File] = set()

    def check(self, folder: Path, name: str, files: Files, *, deep: bool = False) -> list[File]:
        """Raise Internal, naming the file, when one of `folder` is missing, cut or damaged.

        Returns those whose content was not compared yet. `deep`: compare all of them, whatever is known.
        """
        left = []
        for path, facts in files.items():
            file = _file(folder / path, f"{name}/{path}", facts)
            with self._lock:
                right, wrong = file in self._right, file in self._wrong
            if wrong and not deep:
                raise _damaged(file)
            if right and not deep:
                continue
            if not deep and path in VECTORS and int(str(facts["bytes"])) > AT_ONCE:
                left.append(file)
            else:
                self.compare(file, lambda: None)
        return left

    def written(self, folder: Path, name: str, files: Files) -> None:
        """Take note of files whose digests were read from them a moment ago, when they had been written."""
        found = [_file(folder / path, f"{name}/{path}", facts) for path, facts in files.items()]
        with self._lock:
            self._right.update(found)

    def compare(self, file: File, check: Callable[[], None]) -> None:
        """Read a file whole; raises Internal when it is damaged, and what `check` raises between two pieces."""
        found = hashlib.sha256()
        try:
            with file.path.open("rb") as opened:
                while piece := opened.read(PIECE):
                    check()
                    found.update(piece)
        except FileNotFoundError:
            raise _missing(file.name) from None
        same = found.hexdigest() == file.sha256
        with self._lock:
            (self._right if same else self._wrong).add(file)
            (self._wrong if same else self._right).discard(file)
        if not same:
            raise _damaged(file)


def _file(path: Path, name: str, facts: dict[str, object]) -> File:
    try:
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        raise _missing(name) from None
    if found.st_size != facts["bytes"]:
        raise Internal(f"the file {name} of an index has {found.st_size} bytes instead of {facts['bytes']}", AGAIN)
    return File(path, name, str(facts["sha256"]), found.st_mtime_ns)


def _missing(name: str) -> Internal:
    return Internal(f"the file {name} of an index is missing", AGAIN)


def _damaged(file: File) -> Internal:
    return Internal(f"the file {file.name} of an index is damaged: its SHA-256 is another one", AGAIN)
