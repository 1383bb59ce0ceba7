"""The golden catalogue: every function and view that users rely on, as a committed text file.

After a wanted change: `python -m tests.acceptance.test_catalogue` writes the file anew; the diff is then reviewed.
"""

import difflib
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.access.roles import EFFECTS
from engine.lake import Lake
from lakehouse import open_lake
from sql import scripts
from tests.conftest import FAST

GOLDEN = Path(__file__).with_name("catalogue.txt")
AREAS = ("access", "storage", "search", "memory", "models", "rules", "distill", "agents")
FUNCTIONS = 'select "function", kind, effect, area, signature from lake.functions order by all'
VIEWS = "select view_name from duckdb_views() where database_name = 'lake' order by all"
HITS = ["_rank", "_score", "_corpus", "id", "content", "metadata", "_distance", "_generation", "_explain"]

PROMISED = Path(__file__).with_name("promised.txt").read_text(encoding="utf-8")
PROMISES = [line for line in PROMISED.splitlines() if line and not line.startswith("#")]
KEPT = [line.split() for line in PROMISES if not line.startswith("-")]
OPEN = [line[1:].split() for line in PROMISES if line.startswith("-")]


def catalogue(lake: Lake) -> str:
    """The text of the golden file."""
    session = lake.session()
    lines = ["# function, kind, effect, area, signature"]
    lines += ["\t".join(str(value) for value in row.values()) for row in session.run(FUNCTIONS).rows()]
    lines += ["", "# view, columns"]
    for row in session.run(VIEWS).rows():
        columns = session.run(f"describe lake.{row['view_name']}").rows()
        shown = ", ".join(f"{column['column_name']} {column['column_type']}" for column in columns)
        lines.append(f"lake.{row['view_name']}\t{shown}")
    return "\n".join(lines) + "\n"


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lake]:
    opened = open_lake(tmp_path_factory.mktemp("catalogue") / "home", settings=FAST)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def functions(lake: Lake) -> dict[str, dict[str, Any]]:
    rows = lake.session().run("from lake.functions").rows()
    return {str(row["function"]): row for row in rows}


def test_the_catalogue_is_the_committed_one(lake: Lake) -> None:
    golden, found = GOLDEN.read_text(encoding="utf-8").splitlines(), catalogue(lake).splitlines()
    diff = "\n".join(difflib.unified_diff(golden, found, "catalogue.txt", "lake.functions and views", lineterm=""))
    assert not diff, f"the catalogue has changed; if that is wanted: python -m {__name__}\n{diff}"


def test_every_function_is_documented(functions: dict[str, dict[str, Any]]) -> None:
    for name, row in functions.items():
        for field in ("area", "effect", "signature", "answers", "example", "description"):
            assert row[field], f"{name} has no {field}"
        assert row["area"] in AREAS, name
        assert row["effect"] in EFFECTS, name
        assert row["description"].split("\n")[0].endswith((".", "?", "!")) or ":" in row["description"], name
        assert "@" not in row["description"].replace("@example", ""), name


def declared(signature: str) -> dict[str, str | None]:
    """The arguments of a signature or of a macro, with their defaults."""
    inside = signature[signature.index("(") + 1 : signature.rindex(")")]
    parts = [part.strip() for part in re.split(r",(?![^(\[{]*[)\]}])", inside) if part.strip()]
    pairs = [part.split(" := ") for part in parts]
    return {pair[0].strip('"'): pair[1].lower() if len(pair) > 1 else None for pair in pairs}


def test_the_signature_is_that_of_the_macro(functions: dict[str, dict[str, Any]]) -> None:
    text = "\n".join(script.text for script in scripts("functions"))
    macros = dict(re.findall(r"create or replace macro fn\.(\w+)(\(.*?\)) as\b", text, re.DOTALL))
    assert set(macros) == set(functions)
    for name, row in functions.items():
        assert row["signature"].startswith(f"{name}("), name
        arguments = declared(row["signature"])
        assert arguments == declared(macros[name]), name
        assert list(arguments) == row["parameters"], name
        assert row["required"] == sum(default is None for default in arguments.values()), name


def test_the_examples_are_what_the_guard_lets_through(lake: Lake, functions: dict[str, dict[str, Any]]) -> None:
    for name, row in functions.items():
        checked = lake.check(row["example"])
        assert f"{name}(" in row["example"], name
        assert (checked.is_query, checked.effect) == (True, row["effect"]), name


def test_the_answer_has_the_columns_that_are_told(lake: Lake, functions: dict[str, dict[str, Any]]) -> None:
    for name, row in functions.items():
        schema = lake.session().describe(row["example"]).schema
        assert schema is not None, name
        if row["kind"] == "table":
            assert schema.names == row["answers"].split(", "), name
        else:
            assert len(schema) == 1, name


def test_the_searches_answer_alike(functions: dict[str, dict[str, Any]]) -> None:
    searches = [name for name in functions if name.endswith("_search")]
    assert len(searches) >= 4
    for name in searches:
        assert functions[name]["answers"].split(", ") == HITS


def test_what_was_promised_is_told_apart(lake: Lake, functions: dict[str, dict[str, Any]]) -> None:
    views = [("view", str(row["view_name"])) for row in lake.session().run(VIEWS).rows()]
    there = {*views, *((row["effect"], name) for name, row in functions.items())}
    there |= {("any", name) for name in functions}
    assert {(kind, name) for kind, name, *_ in KEPT} <= there
    built = {(kind, name) for kind, name, *_ in OPEN} & there
    assert not built, "built: take the minus away in promised.txt"


@pytest.mark.parametrize(("name", "arguments"), [(line[1], line[2:]) for line in KEPT if line[0] != "view"])
def test_the_arguments_have_the_promised_order(
    functions: dict[str, dict[str, Any]], name: str, arguments: list[str]
) -> None:
    promised = [argument for argument in arguments if not argument.startswith("-")]
    parameters = functions[name]["parameters"]
    assert parameters[: len(promised)] == promised
    assert not {"-" + parameter for parameter in parameters} & set(arguments), "take the minus away in promised.txt"


def test_every_view_can_be_read(lake: Lake) -> None:
    for row in lake.session().run(VIEWS).rows():
        lake.session().run(f"select * from lake.{row['view_name']}").read_all()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        opened = open_lake(Path(folder) / "home", settings=FAST)
        GOLDEN.write_text(catalogue(opened), encoding="utf-8")
        opened.close()
