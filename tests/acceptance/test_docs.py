"""Documentation is executed: links lead somewhere, examples run, names exist."""

import os
import re
import runpy
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.serving import Serving
from sql import scripts
from udfs import open_lake

ROOT = Path(__file__).parents[2]
PAGES = [path for path in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")] if path.name != "LICENSE"]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(text: str, language: str) -> list[str]:
    """The fenced blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name}: {target}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_files_that_are_named_exist(page: Path) -> None:
    if page.name == "CHANGELOG.md":
        return
    rooms = "engine|udfs|sql|flight|web|cli|tests|docs|bench"
    for name in re.findall(rf"`((?:{rooms})/[\w./-]+\.(?:py|sql|md|txt))`", page.read_text(encoding="utf-8")):
        assert (ROOT / name).exists(), f"{page.name}: {name}"


def test_the_readme_shows_its_two_commands_and_fits_a_page() -> None:
    assert re.search(r"^make demo$", README, re.MULTILINE)
    assert re.search(r"^make test$", README, re.MULTILINE)


def test_functions_that_are_named_exist(tmp_path: Path) -> None:
    lake = open_lake(tmp_path / "home", settings={"models.embedder": "hash:64"})
    try:
        known = {row["function"] for row in lake.session().run('select "function" from lake.functions').rows()}
        for page in PAGES:
            for block in blocks(page.read_text(encoding="utf-8"), "sql"):
                for name in re.findall(r"\bfrom (\w+)\(", block):
                    assert name in known, f"{page.name}: {name}()"
    finally:
        lake.close()


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Serving]]:
    """A served lake in a folder with `workers.csv`, as a reader of the README has it."""
    import duckdb

    folder = tmp_path_factory.mktemp("reader")
    with duckdb.connect() as maker:
        maker.execute("set variable workers = 60; set variable seed = 42")
        for script in scripts("demo"):
            maker.execute(script.text)
        maker.execute(f"copy (from workers order by worker_id) to '{folder / 'workers.csv'}' (header)")
    before = Path.cwd()
    os.chdir(folder)
    serving = Serving(folder / "home", {"flight.port": 0, "web.port": 0, "models.embedder": "hash:256"}, [folder])
    yield folder, serving
    serving.close()
    os.chdir(before)


def test_the_sql_of_the_readme_runs(company: tuple[Path, Serving]) -> None:
    session = company[1].lake.session()
    for statement in blocks(README, "sql")[0].split(";"):
        if statement.strip():
            session.run(statement).read_all()


def test_the_python_of_the_readme_runs(company: tuple[Path, Serving], monkeypatch: pytest.MonkeyPatch) -> None:
    _, serving = company
    monkeypatch.setenv("LAKEHOUSE_MODELS__EMBEDDER", "hash:256")
    names: dict[str, object] = {}
    for block in blocks(README, "python"):
        exec(block.replace("127.0.0.1:32010", serving.addresses["flight"].partition("//")[2]), names)
    assert len(names["frame"]) > 0  # type: ignore[arg-type]
    assert len(names["roles"]) > 0  # type: ignore[arg-type]
    assert len(names["states"]) > 0  # type: ignore[arg-type]
    assert "certificate" in str(names["answer"])


def test_the_http_example_runs(company: tuple[Path, Serving]) -> None:
    found = re.search(r"curl -d '(.*?)'", README)
    assert found
    host, _, port = company[1].addresses["web"].removeprefix("http://").partition(":")
    body = found.group(1).encode()
    request = (
        f"POST /v1/sql HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    ).encode() + body
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        connection.sendall(request)
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    assert b" 200 " in answer.split(b"\r\n")[0]
    assert b'"one"' in answer


def test_the_examples_run(capsys: pytest.CaptureFixture[str]) -> None:
    for path in sorted((ROOT / "examples").glob("*.py")):
        runpy.run_path(str(path), run_name="__main__")
        assert capsys.readouterr().out, f"{path.name} printed nothing"
