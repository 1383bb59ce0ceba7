"""One lake for all tests of a file: each takes names of its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.lake import Lake
from engine.session import Session
from lakehouse import open_lake
from tests.conftest import FAST


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lake]:
    """The lake of a file of tests."""
    folder: Path = tmp_path_factory.mktemp("house")
    (folder / "in").mkdir()
    opened = open_lake(folder / "home", settings=FAST, allowed=[folder / "in"])
    yield opened
    opened.close()


@pytest.fixture
def guest(house: Lake) -> Iterator[Session]:
    """A session of that lake; whatever it did, nothing of it is held at the end."""
    session = house.session()
    yield session
    session.close()
    assert_idle(house)


def assert_idle(lake: Lake) -> None:
    """No statement runs, no cursor is out, the write lock is free."""
    assert not lake.executions
    assert not lake.running
    assert not lake.cursors._taken
    with lake.writing("nobody"):
        pass
