"""A lake for each file of tests, and one for a test alone."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from lakehouse import open_lake
from tests.conftest import FAST
from tests.engine.storage.desk import Desk


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """One lake for all tests of a file: each takes a dataset of its own."""
    folder = tmp_path_factory.mktemp("desk")
    yield from opened(folder)


@pytest.fixture
def own_desk(tmp_path: Path) -> Iterator[Desk]:
    """A lake for one test."""
    yield from opened(tmp_path)


def opened(folder: Path) -> Iterator[Desk]:
    """Open a lake in `folder`, close it at the end."""
    (folder / "in").mkdir()
    lake = open_lake(folder / "home", settings=FAST, allowed=[folder / "in"])
    try:
        yield Desk(lake, folder / "in")
    finally:
        lake.close()
