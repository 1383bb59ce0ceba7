"""One lake for the tests of a file, with tables, a corpus and a restricted profile."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from engine.errors import LakehouseError
from engine.lake import Lake
from engine.session import Session
from lakehouse import open_lake
from tests.conftest import FAST
from tests.engine.conftest import assert_idle
from tests.engine.patience import until

SECONDS = 2.0
PATIENT = 8.0
CONTAINED = "select length(repeat('a', 5000)) as n"


@pytest.fixture(scope="module")
def lake_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder: Path = tmp_path_factory.mktemp("contained")
    return folder


@pytest.fixture(scope="module")
def contained(lake_folder: Path) -> Iterator[Lake]:
    """A lake in which a statement that reads has long enough, also on a busy machine."""
    opened = open_lake(lake_folder / "home", settings={**FAST, "engine.statement_seconds": PATIENT})
    fill(opened.session())
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def hasty(lake_folder: Path) -> Iterator[Lake]:
    """A lake in which a statement that reads has two seconds."""
    opened = open_lake(lake_folder / "hasty", settings={**FAST, "engine.statement_seconds": SECONDS})
    yield opened
    opened.close()


@pytest.fixture
def target(hasty: Lake) -> Lake:
    """That lake, with a worker that has started: on a busy machine that may take most of the two seconds."""

    def warm() -> bool:
        with suppress(LakehouseError):
            hasty.session().run(CONTAINED).rows()
        return bool(hasty.containment.pool.pids())

    until(warm)
    return hasty


def fill(session: Session) -> None:
    """Tables with rows in files and rows that are inlined, a corpus, a view, a macro and a restricted profile."""
    session.run("create table many as select range as n, 'row ' || range as name from range(20000)")
    session.run("create table few (id varchar, body varchar, tags varchar[], ts timestamptz)")
    session.run("insert into few values ('a', 'forklift operator', ['x', 'y'], timestamptz '2024-01-01 00:00:00Z')")
    session.run("insert into few values ('b', 'night nurse', null, null)")
    session.run("create view short as select n, name from many where n < 5")
    session.run("create view mistakes as select code from lake.errors")
    session.run("create macro twice(x) as x || x")
    session.run("select * from create_corpus('few', 'few', 'id', 'body')").rows()
    session.run("select * from create_profile('ann', 'reader')").rows()
    session.run("select * from grant_access('ann', 'many', filter := $$n < 3$$)").rows()
    session.run("select * from create_profile('ed', 'editor')").rows()
    session.run("select * from grant_access('ed', '*')").rows()


@pytest.fixture
def caller(contained: Lake) -> Iterator[Session]:
    """A session of that lake; nothing is held at its end."""
    session = contained.session()
    yield session
    session.close()
    until(lambda: not contained.executions)
    assert_idle(contained)
