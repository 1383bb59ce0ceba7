"""Source files: from a URI to the files behind it, inside the folders that may be read, each with its digest."""

import glob
import hashlib
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pyarrow as pa

from engine.errors import Conflict, Forbidden, Invalid, NotFound, nearest

SUFFIXES = {
    ".csv": "csv",
    ".tsv": "csv",
    ".json": "json",
    ".jsonl": "json",
    ".ndjson": "json",
    ".parquet": "parquet",
    ".arrow": "arrow",
    ".feather": "arrow",
}
COMPRESSIONS = {".gz": "gzip", ".zst": "zstd"}
COMPRESSIBLE = ("csv", "json")
FORMATS = ("csv", "json", "parquet", "arrow")
CHUNK = 1 << 20


@dataclass(frozen=True)
class Location:
    """One file that may be read: where it is, what the user calls it, and how it is to be read."""

    path: Path  # resolved: no link, no `..`
    name: str  # below the folder that was named, for messages and the ledger
    format: str
    compression: str | None

    def scanned(self) -> str:
        """The path for DuckDB's readers, which take `*`, `?` and `[` for patterns."""
        return re.sub(r"([*?\[])", r"[\1]", str(self.path))


@dataclass(frozen=True)
class SourceFile:
    """A file with the SHA-256 of its bytes."""

    location: Location
    sha256: str
    bytes: int
    stamp: tuple[int, int, int]

    @property
    def name(self) -> str:
        """What the user calls it."""
        return self.location.name

    def check_unchanged(self) -> None:
        """Raise Conflict when the file is not the one that was digested any more."""
        if stamp(self.location.path) != self.stamp:
            raise Conflict(f"{self.name} changed while it was read", "repeat when nobody writes to it")


def stamp(path: Path) -> tuple[int, int, int]:
    """What changes when a file is written or replaced: inode, size, time."""
    try:
        found = path.stat()
    except OSError:
        return (0, 0, 0)
    return (found.st_ino, found.st_size, found.st_mtime_ns)


def find(uri: str, format: str | None, folders: Sequence[Path], closed: Sequence[Path]) -> list[Location]:
    """The files that `uri` names: one file, those of a folder and its subfolders, or those that match a pattern.

    Below a folder and for a pattern only files of known suffixes count, and of these only `format` where it is given.
    `folders` may be read, `closed` (inside of them) may not. The answer is never empty and sorted by path. Raises
    Forbidden, NotFound or Invalid.
    """
    if format is not None and format not in FORMATS:
        raise Invalid(f"unknown format {format!r}", nearest(format, FORMATS))
    path = _path(uri)
    try:
        named = list(_expand(path, uri, folders, closed))
        found = [_locate(one, name, format, uri, folders, closed) for one, name in named]
    except (OSError, RuntimeError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        kind = Forbidden if isinstance(error, PermissionError) else Invalid
        raise kind(f"{uri!r} cannot be read: {reason}", "check the path") from None
    kept = sorted({one.path: one for one in found if one is not None}.values(), key=lambda one: one.path)
    if not kept:
        raise NotFound(f"{uri!r} holds no file to ingest", "known suffixes: " + ", ".join(SUFFIXES))
    formats = sorted({one.format for one in kept})
    if len(formats) > 1:
        raise Invalid(f"{uri!r} holds files of several formats", f"choose one with format := '{formats[0]}'")
    return kept


def _path(uri: str, wanted: str = "a file, a folder or a pattern") -> Path:
    if not uri.strip() or "\0" in uri:
        raise Invalid("the uri is empty or holds a NUL character", f"give {wanted}")
    scheme = re.match(r"([A-Za-z][A-Za-z0-9+.-]+):", uri)
    if scheme is None:
        return Path(uri).absolute()
    if scheme.group(1).lower() != "file":
        raise Invalid(f"the scheme {scheme.group(1)!r} is not served", "give a path, or file:///…")
    parts = urlsplit(uri)
    if parts.netloc not in ("", "localhost"):
        raise Invalid(f"the host {parts.netloc!r} is not this one", "give file:///path")
    return Path(unquote(parts.path)).absolute()


def _expand(path: Path, uri: str, folders: Sequence[Path], closed: Sequence[Path]) -> Iterator[tuple[Path, str | None]]:
    """Each file with its name below the folder; the name is None for a file that was named itself."""
    is_pattern = glob.has_magic(str(path)) and not path.exists()
    base = _fixed_part(path) if is_pattern else path
    _check_inside(base, uri, folders, closed)
    if is_pattern:
        for match in base.glob(str(path.relative_to(base))):
            if not match.name.startswith(".") and not match.is_dir():
                yield match, os.path.relpath(match, base)
    elif path.is_dir():
        for folder, _, names in os.walk(path, onerror=_raise):
            for name in names:
                if not name.startswith("."):
                    yield Path(folder, name), os.path.relpath(Path(folder, name), path)
    elif path.exists():
        yield path, None
    else:
        raise NotFound(f"the file {uri!r} does not exist", "relative paths start at the folder the process runs in")


def _raise(error: OSError) -> None:
    raise error


def _fixed_part(path: Path) -> Path:
    """The folder above the first part with a pattern."""
    parts: list[str] = []
    for part in path.parts:
        if glob.has_magic(part):
            break
        parts.append(part)
    return Path(*parts)


def _check_inside(path: Path, uri: str, folders: Sequence[Path], closed: Sequence[Path]) -> Path:
    real = path.resolve()
    if any(real.is_relative_to(folder) for folder in closed):
        raise Forbidden(f"{uri!r} belongs to the lake itself", "read its datasets with select")
    if not any(real.is_relative_to(folder) for folder in folders):
        raise Forbidden(f"{uri!r} is not in a folder that may be read", "add it to [ingest] allowed")
    return real


def _locate(
    path: Path, name: str | None, format: str | None, uri: str, folders: Sequence[Path], closed: Sequence[Path]
) -> Location | None:
    known, compression = _kind(path)
    if name is not None and known is None and format is None:
        return None
    if name is not None and format is not None and known not in (None, format):
        return None
    real = _check_inside(path, uri, folders, closed)
    if not real.is_file():
        raise Invalid(f"{name or path.name!r} is not a regular file", "give a file, a folder or a pattern")
    chosen = format or known
    if chosen is None:
        raise Invalid(f"the format of {path.name!r} is not known by its suffix", f"add format := {FORMATS[0]!r}, …")
    with real.open("rb"):  # so that a file that cannot be opened is named here
        return Location(real, name or path.name, chosen, compression if chosen in COMPRESSIBLE else None)


def _kind(path: Path) -> tuple[str | None, str | None]:
    """Format and compression by the suffixes of a name."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    compression = COMPRESSIONS.get(suffixes[-1]) if suffixes else None
    suffix = suffixes[-2] if compression and len(suffixes) > 1 else (suffixes[-1] if suffixes else "")
    known = SUFFIXES.get(suffix)
    return (None if compression and known not in COMPRESSIBLE else known), compression


def digest(locations: Iterable[Location], on_bytes: Callable[[int, int], None]) -> list[SourceFile]:
    """Read every file once and answer with its digest; a compressed one is checked to be whole.

    `on_bytes(done, total)` is called every megabyte and may raise to stop. Raises Invalid for a broken compression: a
    reader would take what it can and stay silent.
    """
    places = list(locations)
    total, done = sum(place.path.stat().st_size for place in places), 0
    found = []
    for place in places:
        before, sha, size = stamp(place.path), hashlib.sha256(), 0
        with place.path.open("rb") as stream:
            while chunk := stream.read(CHUNK):
                sha.update(chunk)
                size += len(chunk)
                on_bytes(done + size, total)
        done += size
        if place.compression is not None:
            for _ in _unpacked(place):
                on_bytes(done, total)
        found.append(SourceFile(place, sha.hexdigest(), size, before))
    return found


def _unpacked(place: Location) -> Iterator[bytes]:
    try:
        with pa.input_stream(str(place.path), compression=place.compression) as stream:
            while chunk := stream.read(CHUNK):
                yield chunk
    except OSError as error:
        reason = str(error).split(". Detail")[0]
        raise Invalid(f"{place.name} is not a whole {place.compression} file: {reason}", "write it again") from None


def together(files: Iterable[SourceFile]) -> str:
    """The digest of several files: of their sorted digests, so that neither names nor order count."""
    digests = sorted({file.sha256 for file in files})
    return digests[0] if len(digests) == 1 else hashlib.sha256("\n".join(digests).encode()).hexdigest()
