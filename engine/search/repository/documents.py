"""The text files of a folder as documents: one row a file, or a section of a Markdown file."""

import hashlib
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

from engine.search.repository import texts
from engine.search.repository.folder import File, Folder, nothing


def rows(folder: Folder, path: str) -> list[dict[str, Any]]:
    """The rows of `repo_documents`, ordered by path and place. Raises NotFound when there are none."""
    taken: dict[str, int] = {}
    found = [row for file in folder.files() for row in documents(file)]
    for row in found:  # a file can be called as a section of another is
        row["id"] = texts.distinct(row["id"], taken, "~", 2)
    if not found:
        raise nothing(path, "text file" if folder.include is None else "text file that include names")
    return found


def documents(file: File) -> Iterator[dict[str, Any]]:
    """The documents of a file. One that could not be read is a document without text, with the reason."""
    name, language = PurePosixPath(file.path).name, texts.language(file.path)
    if file.data is None:
        yield _row(file.path, file.path, name, None, None, language, None, file.error)
        return
    text, encoding = texts.decoded(file.data)
    if language != "markdown":
        yield _row(file.path, file.path, name, 1, text, language, encoding, None)
        return
    for section in texts.sections(text):
        id = f"{file.path}#{section.anchor}" if section.anchor else file.path
        yield _row(id, file.path, section.title or name, section.line, section.text, language, encoding, None)


def _row(
    id: str, path: str, title: str, line: int | None, text: str | None, language: str | None, encoding: str | None,
    error: str | None,
) -> dict[str, Any]:  # fmt: skip
    sha256 = None if text is None else hashlib.sha256(text.encode()).hexdigest()
    return {
        "id": id, "path": path, "title": title, "line": line, "text": text, "language": language,
        "encoding": encoding, "sha256": sha256, "error": error,
    }  # fmt: skip
