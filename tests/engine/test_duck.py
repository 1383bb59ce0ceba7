"""What depends on the version of DuckDB: settings that must hold, and the few words for it."""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from engine import duck
from engine.errors import Internal

SECRET = pa.table({"secret": [42]})  # a variable of this process, which no statement may read


@pytest.fixture
def root(tmp_path: Path) -> Iterator[duck.Cursor]:
    connection = duck.connect(1, "500MB", tmp_path / "spill", "1GB")
    connection.execute("create table t (a integer)")
    yield connection
    connection.close()


def test_a_statement_does_not_read_the_variables_of_the_process(root: duck.Cursor) -> None:
    assert SECRET.num_rows == 1
    for cursor in (root, root.cursor()):
        with pytest.raises(duck.Error, match="SECRET"):
            cursor.execute("select * from SECRET")


def test_nothing_is_fetched_or_loaded_by_itself(root: duck.Cursor) -> None:
    for name in ("autoinstall_known_extensions", "autoload_known_extensions", "allow_unsigned_extensions"):
        assert root.execute(f"select current_setting('{name}')").fetchall() == [(False,)]
    assert root.cursor().execute("select current_setting('TimeZone')").fetchall() == [("UTC",)]


def test_an_extension_whose_signature_was_not_verified_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither at first, nor when a file that was good has changed since."""
    good = duck._extension("ducklake")
    copy = tmp_path / good.name
    copy.write_bytes(good.read_bytes())
    monkeypatch.setattr(duck, "_extension", lambda name: copy)
    for _ in range(2):
        root = duck.connect(1, "500MB", tmp_path, "1GB", ["ducklake"])
        assert root.execute("select current_setting('allow_unsigned_extensions')").fetchall() == [(False,)]
        root.close()
    content = bytearray(good.read_bytes())
    content[1000] ^= 1
    copy.unlink()  # it is mapped
    copy.write_bytes(content)
    with pytest.raises(Internal, match=r"ducklake cannot be loaded.*signature.*pip install duckdb-extension-ducklake"):
        duck.connect(1, "500MB", tmp_path, "1GB", ["ducklake"])


def test_sealing_closes_the_files_and_the_settings(root: duck.Cursor, tmp_path: Path) -> None:
    for folder in ("open", "closed", "opened"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.csv").write_text("a\n1\n")
    (tmp_path / "open" / "link.csv").symlink_to(tmp_path / "closed" / "a.csv")
    duck.seal(root, [tmp_path / "open"])
    cursor = root.cursor()
    assert cursor.execute(f"from '{tmp_path}/open/a.csv'").fetchall() == [(1,)]
    for path in ("closed/a.csv", "open/../closed/a.csv", "opened/a.csv", "open/link.csv"):
        with pytest.raises(duck.Error, match="Permission"):
            cursor.execute(f"from read_csv('{tmp_path}/{path}')")
    for sql in ("set enable_external_access = true", "set threads = 4", "reset allowed_directories", "load httpfs"):
        with pytest.raises(duck.Error):
            cursor.execute(sql)


class Stop(BaseException):
    """As a keyboard interrupt is."""


def insert(root: duck.Cursor, value: int, failure: BaseException | None, *, open_already: bool = False) -> None:
    """Insert a row in a transaction that then fails."""
    with duck.transaction(root, open_already=open_already):
        root.execute("insert into t values (?)", [value])
        if failure is not None:
            raise failure


@pytest.mark.parametrize("failure", [ValueError(), Stop()], ids=["error", "interrupt"])
def test_a_transaction_is_kept_whole_or_not_at_all(root: duck.Cursor, failure: BaseException) -> None:
    insert(root, 1, None)
    with pytest.raises(type(failure)):
        insert(root, 2, failure)
    insert(root, 3, None)
    assert root.execute("from t order by a").fetchall() == [(1,), (3,)]


def test_a_transaction_of_the_caller_is_left_to_him(root: duck.Cursor) -> None:
    root.execute("begin")
    with pytest.raises(ValueError, match="no"):
        insert(root, 1, ValueError("no"), open_already=True)
    root.execute("commit")
    assert root.execute("from t").fetchall() == [(1,)]


def test_texts_and_names_in_sql(root: duck.Cursor) -> None:
    for text in ("it's", "", "'; drop table t; --", "é\n\\", '"'):
        assert root.execute(f"select {duck.literal(text)}").fetchall() == [(text,)]
    for name in ('a"b', "select", "é ü", "A.b"):
        root.execute(f"create table {duck.identifier(name)} (a integer)")
        assert root.execute("select 1 from duckdb_tables() where table_name = ?", [name]).fetchall() == [(1,)]


def test_an_extension_that_is_not_installed_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        Internal, match="duckdb-extension-nothing is not installed; pip install duckdb-extension-nothing=="
    ):
        duck.connect(1, "500MB", tmp_path, "1GB", ["nothing"])


def test_rows_as_a_stream_and_as_a_table(root: duck.Cursor) -> None:
    reader = duck.reader(root.cursor(), "select range as a from range(?)", [20_000])
    sizes = [batch.num_rows for batch in reader]
    assert sum(sizes) == 20_000
    assert max(sizes) <= duck.BATCH_ROWS
    assert duck.table(root, "select $x as a", {"x": 1}).to_pylist() == [{"a": 1}]
    assert duck.arrow_type(root, "struct(a integer)[]") == pa.list_(pa.struct([("a", pa.int32())]))
