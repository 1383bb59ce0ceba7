"""The files of a folder as a repository has them: ordered by path, without what .gitignore leaves out.

Nothing outside the folder is ever read: links are not followed, each folder is opened below the one before, and only
regular files are opened. What is hidden, binary or a link is left out; what should have been read and could not be is
told.
"""

import contextlib
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from engine.errors import Invalid, NotFound
from engine.search.repository import patterns
from engine.search.repository.patterns import Ignored, Wanted
from engine.storage import targets

if TYPE_CHECKING:
    from engine.lake import Lake
    from engine.statement import Statement

IGNORE = ".gitignore"
MOST_FILES = 50_000
MOST_BYTES = 64 << 20
DEEPEST = 64  # folders in each other; each is open while those in it are read
USUAL_BYTES = 1 << 20  # of one file, unless the caller says otherwise
REGULAR = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
UTF16 = (b"\xff\xfe", b"\xfe\xff")  # its byte order marks
FOLDER = os.O_RDONLY | os.O_NOFOLLOW | os.O_DIRECTORY | os.O_CLOEXEC


@dataclass(frozen=True)
class File:
    """One file: its path below the folder, with slashes, and its bytes, or why they could not be read."""

    path: str
    data: bytes | None
    error: str | None = None


@dataclass
class Folder:
    """A folder to read, within bounds. `takes`: whether a path is of interest at all, before it is read."""

    root: Path
    home: tuple[int, int] | None  # device and inode of the home of the lake, which may lie in the folder
    include: Wanted | None
    largest: int
    takes: Callable[[str], bool]
    on_file: Callable[[int], None]  # the files so far; may raise to stop
    _files: int = 0
    _bytes: int = 0

    def check(self) -> None:
        """Raise when the caller does not wait any more."""
        self.on_file(self._files)

    def files(self) -> Iterator[File]:
        """The files, ordered by path. Raises Invalid when there are too many, or they are too large together."""
        handle = _open(str(self.root), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, None)
        try:
            yield from self._walk(handle, "", Ignored(), 0)
        finally:
            os.close(handle)

    def _walk(self, handle: int, place: str, ignored: Ignored, depth: int) -> Iterator[File]:
        self.check()
        if depth > DEEPEST:
            raise Invalid(f"{place!r} lies more than {DEEPEST} folders deep", "name a folder further down")
        ignored = self._ignored(handle, place, ignored)
        with os.scandir(handle) as entries:
            found = sorted((_key(entry), entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries)
        for key, name, is_folder in found:
            self.check()
            path = place + key
            if name.startswith(".") or ignored.leaves_out(path):
                continue
            if is_folder:
                yield from self._below(handle, name, path, ignored, depth)
            elif self._is_wanted(path):
                file = self._read(handle, name, path)
                if file is not None:
                    yield file

    def _ignored(self, handle: int, place: str, ignored: Ignored) -> Ignored:
        found = _bounded(handle, IGNORE, USUAL_BYTES)
        if found is None:
            return ignored
        if isinstance(found, str):  # without it, what was to be left out would be read
            raise Invalid(f"{place}{IGNORE} {found}", "mend it, or name another folder")
        return ignored.below(
            place, found.decode("utf-8-sig", "replace").replace("\r\n", "\n").removesuffix("\r"), self.check
        )

    def _below(self, handle: int, name: str, path: str, ignored: Ignored, depth: int) -> Iterator[File]:
        try:
            inner = os.open(name, FOLDER, dir_fd=handle)
        except OSError as error:
            yield File(path, None, f"cannot be opened: {error.strerror}")
            return
        try:
            found = os.fstat(inner)
            if (found.st_dev, found.st_ino) != self.home:
                yield from self._walk(inner, path, ignored, depth + 1)
        finally:
            os.close(inner)

    def _is_wanted(self, path: str) -> bool:
        return self.takes(path) and (self.include is None or self.include.takes(path))

    def _read(self, handle: int, name: str, path: str) -> File | None:
        self._files += 1
        self.check()
        found = _bounded(handle, name, self.largest)
        self._bytes += len(found) if isinstance(found, bytes) else 0
        if self._files > MOST_FILES or self._bytes > MOST_BYTES:
            raise Invalid(
                f"the folder holds more than {MOST_FILES} files, or {MOST_BYTES >> 20} MiB",
                "name a folder in it, or some files: include := ['docs/']",
            )
        return None if found is None else File(path, None, found) if isinstance(found, str) else File(path, found)


def _bounded(handle: int, name: str, largest: int) -> bytes | str | None:
    """The bytes of a file in an open folder; why it cannot be read; None when it is no regular file, or binary."""
    try:
        if not stat.S_ISREG(os.stat(name, dir_fd=handle, follow_symlinks=False).st_mode):
            return None
        file = os.open(name, REGULAR, dir_fd=handle)  # no link and no pipe, should one stand there by now
        with os.fdopen(file, "rb") as stream:
            found = os.fstat(file)
            data = stream.read(largest + 1) if stat.S_ISREG(found.st_mode) else None
    except FileNotFoundError:
        return None
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    if data is None or _is_binary(data):
        return None
    return data if len(data) <= largest else f"has {found.st_size} bytes; max_bytes is {largest}"


def _key(entry: "os.DirEntry[str]") -> str:
    """A name as it stands in paths; what sorts so sorts as the paths below it do."""
    name = entry.name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return f"{name}/" if entry.is_dir(follow_symlinks=False) else name


def _is_binary(data: bytes) -> bool:
    """As git decides: a NUL byte; but for the byte order marks of UTF-16."""
    return b"\0" in data and not data.startswith(UTF16)


def _open(name: str, flags: int, handle: int | None) -> int:
    try:
        return os.open(name, flags, dir_fd=handle)
    except OSError as error:
        raise Invalid(f"the folder cannot be opened: {error.strerror}", "check its permissions") from None


def named(
    lake: "Lake",
    statement: "Statement",
    path: str | None,
    include: Sequence[str | None] | None,
    max_bytes: int | None,
    takes: Callable[[str], bool] = lambda path: True,
) -> Folder:
    """The folder that a caller names. Raises NotFound, Invalid for what is no folder, Forbidden for a closed one."""
    if path is None:
        raise Invalid("a folder is needed", "for example repo_documents('docs')")
    largest = USUAL_BYTES if max_bytes is None else max_bytes
    if not 1 <= largest <= MOST_BYTES:
        raise Invalid(f"max_bytes is {largest}", f"it must be within 1 and {MOST_BYTES}")
    root = targets.to_walk(lake, path)
    home: tuple[int, int] | None = None
    with contextlib.suppress(OSError):
        found = lake.home.stat()
        home = (found.st_dev, found.st_ino)

    def on_file(files: int) -> None:
        statement.check()
        statement.progress = (files, MOST_FILES, "files, at most")

    return Folder(root, home, patterns.wanted(include), largest, takes, on_file)


def nothing(path: str, what: str) -> NotFound:
    """The error for a folder in which nothing was found: a corpus of it is not emptied by mistake."""
    hint = "what is hidden, binary, a link or named in .gitignore is left out"
    return NotFound(f"{path!r} holds no {what}", hint)
