"""How many lines the files of a folder have, of whatever kind: hidden, ignored, large and binary ones as well."""

import io
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from engine.search.repository.folder import FOLDER, MOST_BYTES, REGULAR, UTF16, Folder

PIECE = 1 << 20  # characters that are looked at at a time


@dataclass(frozen=True)
class Length:
    """How many lines were counted, and whether that is all of them."""

    lines: int
    is_whole: bool


class Lines:
    """The lines of files that are asked for by name; each file is read once."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self._root = Path(os.path.realpath(folder.root))
        self._known: dict[Path, Length | None] = {}

    def of(self, path: str) -> Length | None:
        """The length of a file, looked at up to 64 MiB; None when there is no such file in the folder.

        A link is followed where it stays in the folder.
        """
        self._folder.check()
        if "\0" in path:
            return None
        found = Path(os.path.realpath(self._root / path))
        if found not in self._known:
            is_inside = self._root in found.parents
            self._known[found] = self._counted(found.relative_to(self._root).parts) if is_inside else None
        return self._known[found]

    def _counted(self, parts: tuple[str, ...]) -> Length | None:
        """Opened folder by folder, as when it is walked: no link, nor the home of the lake, may come in between."""
        handles = []
        try:
            handles.append(os.open(self._root, FOLDER))
            for part in parts[:-1]:
                handles.append(os.open(part, FOLDER, dir_fd=handles[-1]))
                found = os.fstat(handles[-1])
                if (found.st_dev, found.st_ino) == self._folder.home:
                    return None
            handles.append(os.open(parts[-1], REGULAR, dir_fd=handles[-1]))
            if not stat.S_ISREG(os.fstat(handles[-1]).st_mode):
                return None
            with os.fdopen(handles[-1], "rb", closefd=False) as stream:
                return counted(stream, self._folder.check)
        except OSError:
            return None
        finally:
            for handle in handles:
                os.close(handle)


def counted(stream: BinaryIO, check: Callable[[], None]) -> Length:
    """The lines of a text, at whatever ends they have; what stands behind the last line end is one."""
    is_wide = stream.read(2) in UTF16
    stream.seek(0)
    lines, last = 0, "\n"
    with io.TextIOWrapper(stream, "utf-16" if is_wide else "latin-1", "replace") as text:  # others have the same ends
        while piece := text.read(PIECE):
            check()
            lines, last = lines + piece.count("\n"), piece[-1]
            if stream.tell() > MOST_BYTES:
                return Length(lines, False)
    return Length(lines + (last != "\n"), True)
