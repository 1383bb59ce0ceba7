"""Files that functions write or read by a URI of the caller: inside allowed folders, and whole or not at all."""

import contextlib
import os
import uuid
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from engine.errors import Forbidden, Invalid, NotFound
from engine.storage import files

if TYPE_CHECKING:
    from engine.lake import Lake


def to_write(lake: "Lake", uri: str, suffixes: Sequence[str]) -> Path:
    """The file to write: a name with one of the suffixes, in a folder that is there and allowed.

    Raises Invalid, NotFound or Forbidden.
    """
    path = files._path(uri, "a file")
    if path.suffix not in suffixes:
        hint = f"call it {path.stem or 'file'}{suffixes[0]}"
        raise Invalid(f"the name {path.name!r} does not end in {' or '.join(suffixes)}", hint)
    real = files._check_inside(path, uri, lake.folders, [lake.home])
    if not real.parent.is_dir():
        raise NotFound(f"the folder of {uri!r} does not exist", "make it first")
    if real.exists() and not real.is_file():
        raise Invalid(f"{path.name!r} is not a regular file", "choose another name")
    return real


def to_read(lake: "Lake", uri: str) -> Path:
    """The file that a URI names, which is there and may be read. Raises Invalid, NotFound or Forbidden."""
    path = files._path(uri, "a file")
    real = files._check_inside(path, uri, lake.folders, [lake.home])
    if not real.exists():
        raise NotFound(f"the file {uri!r} does not exist", "relative paths start at the folder the process runs in")
    if not real.is_file():
        raise Invalid(f"{path.name!r} is not a regular file", "name one file")
    return real


def to_walk(lake: "Lake", uri: str) -> Path:
    """The folder that a URI names, which is there and may be read. Raises Invalid, NotFound or Forbidden."""
    path = files._path(uri, "a folder")
    real = files._check_inside(path, uri, lake.folders, [lake.home])
    if not real.exists():
        raise NotFound(f"the folder {uri!r} does not exist", "relative paths start at the folder the process runs in")
    if not real.is_dir():
        raise Invalid(f"{path.name!r} is not a folder", "name the folder that it is in, and the file with include")
    return real


def replace(target: Path, parts: Iterable[bytes]) -> int:
    """Write `parts` beside `target`, flush it to the disk and put it in its place; returns the bytes.

    When anything is raised, by the disk or by `parts`, the file is as it was. Raises Invalid or Forbidden for a disk
    that does not take it.
    """
    beside = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}.part")
    try:
        with beside.open("wb") as stream:
            stream.writelines(parts)
            stream.flush()
            os.fsync(stream.fileno())
            size = os.fstat(stream.fileno()).st_size
        beside.replace(target)
        _flush_folder(target.parent)
    except BaseException as error:
        with contextlib.suppress(OSError):
            beside.unlink()
        if not isinstance(error, OSError):
            raise
        kind = Forbidden if isinstance(error, PermissionError) else Invalid
        raise kind(f"{target.name!r} cannot be written: {error.strerror}", "check the folder and the disk") from None
    return size


def _flush_folder(folder: Path) -> None:
    """The new name is on disk, too."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
