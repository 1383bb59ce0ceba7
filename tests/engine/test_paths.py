from pathlib import Path

import pytest

from engine import paths, tokens
from engine.errors import Forbidden, NotFound
from engine.lake import Lake
from lakehouse import open_lake
from tests.conftest import FAST


@pytest.mark.parametrize(
    "sql",
    [
        "from read_csv('{home}/buckets/x.csv')",
        "from read_csv('{home}/../home/buckets/*.csv')",
        "from read_csv(['/a', '{home}/cache/x'])",
        "from read_text($${home}/cache/f$$)",
        "from '{home}/buckets/a.parquet'",
        "from t, '{home}/buckets/a.parquet'",
        'from "{home}/buckets/a.parquet"',
        "select * from t join '{home}/buckets/a.parquet' on true",
        "describe '{home}/buckets/a.parquet'",
        "insert into t from read_parquet('{home}/buckets/primary/data/**')",
        "from glob('{home}/*')",
        "from glob('{home}/../*/buckets/*')",
        "from parquet_metadata('file://{home}/buckets/a.parquet')",
        "explain from read_csv('{home}/buckets/x.csv')",
        "from read_csv('/a' || '/b')",
        "from read_csv(concat('/a', '/b'))",
        "from read_csv(?)",
        "from read_csv(['/a', concat('/b')])",
        "from read_parquet(getvariable('x'))",
    ],
)
def test_files_of_the_home_and_paths_that_cannot_be_seen_are_refused(tmp_path: Path, sql: str) -> None:
    home = tmp_path / "home"
    (home / "buckets").mkdir(parents=True)
    words = tokens.read(sql.replace("{home}", str(home)))
    with pytest.raises(Forbidden):
        paths.check(words, (home / "buckets", home / "cache"))


@pytest.mark.parametrize(
    "sql",
    [
        "from read_csv('{in}/x.csv', delim := ',')",
        "from read_csv(['{in}/x.csv', '{in}/y.csv'], header := true)",
        "from '{in}/x.parquet' as x",
        "from glob('{in}/*.csv')",
        "insert into t values ('x', '{home}/buckets/x')",
        "select replace(a, '/', ',') from t where b in ('/', '{home}/buckets')",
        "select read_text from t",
        "select '{home}/buckets' as place, 'x' from t",
    ],
)
def test_others_pass(tmp_path: Path, sql: str) -> None:
    home = tmp_path / "home"
    words = tokens.read(sql.replace("{home}", str(home)).replace("{in}", str(tmp_path / "in")))
    paths.check(words, (home / "buckets", home / "cache"))


def test_a_link_into_the_home_is_followed(tmp_path: Path) -> None:
    (tmp_path / "home" / "buckets").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "home" / "buckets")
    with pytest.raises(Forbidden):
        paths.check(tokens.read(f"from read_csv('{tmp_path}/link/x.csv')"), (tmp_path / "home" / "buckets",))


def test_an_admin_reads_what_the_configuration_allows_and_nothing_else(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "x.csv").write_text("a\n1\n")
    lake: Lake = open_lake(tmp_path / "home", settings=FAST, allowed=[folder])
    session = lake.session()
    session.run("create table t as select 1 as a")
    assert session.run(f"from read_csv('{folder}/x.csv')").rows() == [{"a": 1}]
    assert session.run(f"from '{folder}/x.csv'").rows() == [{"a": 1}]
    for sql in (
        f"from read_parquet('{lake.home}/buckets/primary/data/**/*.parquet')",
        f"from read_blob('{lake.home}/lake.duckdb')",
        "from read_text('/etc/passwd')",
        "from '/etc/passwd'",
        f"from glob('{tmp_path}/*')",
    ):
        with pytest.raises((Forbidden, NotFound)):
            session.run(sql).rows()
    lake.close()
