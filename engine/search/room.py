"""Room for what is built: on the disk, where a library does not say that it is full, and in memory, before it is taken.

Linux gives out more memory than there is and ends a process that uses it. So a build that would not fit is refused
before it begins, and the lake goes on with what is live.
"""

import errno
import os
import resource
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from engine.errors import Busy

FULL = 1 << 20  # a disk with less than this is full to a library that could not write
GROUPS = (  # limit, use and statistics of the memory of a container: version 2, version 1
    ("memory.max", "memory.current", "memory.stat"),
    ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes", "memory/memory.stat"),
)
CONTROL_GROUP = Path("/sys/fs/cgroup")


@contextmanager
def permitted(folder: Path) -> Iterator[None]:
    """Use `folder` with a library whose errors do not name it; raises PermissionError when this user may not."""
    try:
        yield
    except (RuntimeError, ValueError) as error:
        if os.strerror(errno.EACCES) not in str(error):
            raise
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(folder)) from error


@contextmanager
def on_disk(folder: Path) -> Iterator[None]:
    """Write into `folder` with a library whose errors do not tell a full disk, or a closed folder; raises OSError."""
    try:
        with permitted(folder):
            yield
    except (OSError, RuntimeError, ValueError) as error:
        if isinstance(error, PermissionError):
            raise
        if os.strerror(errno.ENOSPC) not in str(error) and shutil.disk_usage(folder).free >= FULL:
            raise
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) from error


def refuse_cut(path: Path, size: int) -> None:
    """Raise OSError when a file is shorter than what was written into it: its library looked at no error."""
    if path.stat().st_size < size:
        full = shutil.disk_usage(path.parent).free < FULL
        raise OSError(*((errno.ENOSPC, os.strerror(errno.ENOSPC)) if full else (errno.EIO, f"{path.name} was cut")))


def refuse_large(what: str, needed: int) -> None:
    """Raise Busy when so many bytes are not free in memory."""
    there = free()
    if there is not None and needed > there:
        raise Busy(
            f"{what} needs about {needed >> 20} MB of memory, {there >> 20} MB are free",
            "give the lake more memory; an index by engine := 'compact' needs the least",
        )


def free() -> int | None:
    """Bytes of memory that this process can still take; None where nothing tells."""
    found = [one for one in (_of_machine(), _of_group(), _of_process()) if one is not None]
    return max(0, min(found)) if found else None


def _of_machine() -> int | None:
    with suppress(OSError, ValueError, StopIteration):
        lines = Path("/proc/meminfo").read_text().splitlines()
        return int(next(line for line in lines if line.startswith("MemAvailable:")).split()[1]) << 10
    return None


def _of_group() -> int | None:
    for limit, use, statistics in GROUPS:
        with suppress(OSError, ValueError):  # "max": no limit
            most, used = (int((CONTROL_GROUP / name).read_text()) for name in (limit, use))
            lines = (CONTROL_GROUP / statistics).read_text().splitlines()
            cached = sum(int(line.split()[1]) for line in lines if line.startswith("inactive_file "))
            return most - used + cached
    return None


def _of_process() -> int | None:
    most, _ = resource.getrlimit(resource.RLIMIT_AS)
    if most == resource.RLIM_INFINITY:
        return None
    with suppress(OSError, ValueError):
        return most - int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    return None
