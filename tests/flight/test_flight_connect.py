"""docs/connect.md is executed: every Python snippet runs as it stands, each by itself."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from flight.server import Server

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "connect.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", PAGE, re.DOTALL | re.MULTILINE))
SNIPPETS = [
    pytest.param(body, id=f"{title} {number}")
    for title, text in SECTIONS.items()
    for number, body in enumerate(re.findall(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE), 1)
]
CLIENTS = {
    "ADBC for Python", "pandas", "polars", "DuckDB", "SQLAlchemy 2", "pyarrow alone", "Java and JDBC", "Go", "R",
    "DBeaver", "Power BI", "Tableau", "Metabase", "dbt",
}  # fmt: skip


@pytest.mark.parametrize("snippet", SNIPPETS)
def test_a_snippet_runs(snippet: str, server: Server, tmp_path: Path) -> None:
    """In a process of its own, with a place that knows nothing of this project."""
    assert "127.0.0.1:32010" in snippet
    program = snippet.replace("127.0.0.1:32010", f"127.0.0.1:{server.port}")
    command = [sys.executable, "-W", "error::DeprecationWarning", "-c", program]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


def test_every_client_is_there_and_says_whether_it_was_run() -> None:
    assert set(SECTIONS) == CLIENTS
    for title, text in SECTIONS.items():
        assert re.search(r"[Rr]un here|run here|No maintained", text), title
    for title in ("ADBC for Python", "pandas", "polars", "DuckDB", "SQLAlchemy 2", "pyarrow alone"):
        assert "```python" in SECTIONS[title]
