"""The rules of the house that a machine can check: arrows point down, files are short, every room says what it is."""

import ast
import gc
from functools import cache
from pathlib import Path

import pytest
from importlinter.application import use_cases
from importlinter.configuration import configure

ROOT = Path(__file__).parents[2]
ROOMS = ("engine", "udfs", "sql", "flight", "web", "cli")
MODULES = sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py") if "proto" not in path.parts)
PRODUCT = [*MODULES, ROOT / "lakehouse.py", ROOT / "hatch_build.py"]
LONGEST_FILE, LONGEST_FUNCTION = 400, 40
BANNED = {"utils", "util", "helpers", "helper", "common", "manager", "managers", "misc"}


def named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@cache
def tree(path: Path) -> ast.Module:
    """The syntax tree of a file. Python 3.11 fails when a finaliser runs while it builds one, so none may."""
    gc.disable()
    try:
        return ast.parse(path.read_text(encoding="utf-8"))
    finally:
        gc.enable()


def imports(path: Path) -> list[str]:
    """The modules that a file imports, by their full names."""
    found: list[str] = []
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            found += [f"{node.module}.{alias.name}" for alias in node.names]
    return found


def test_the_contracts_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    configure()
    assert use_cases.lint_imports(config_filename=str(ROOT / "pyproject.toml"), cache_dir=None, verbose=False)


def test_a_broken_contract_would_be_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    upside_down = text.replace('"web | flight | udfs", "engine"', '"engine", "web | flight | udfs"')
    assert upside_down != text
    (tmp_path / "pyproject.toml").write_text(upside_down, encoding="utf-8")
    monkeypatch.chdir(ROOT)
    configure()
    assert not use_cases.lint_imports(config_filename=str(tmp_path / "pyproject.toml"), cache_dir=None, verbose=False)


@pytest.mark.parametrize("path", [path for path in MODULES if path.parts[-2] in ("flight", "web")], ids=named)
def test_a_network_door_sees_the_session_the_results_and_the_errors(path: Path) -> None:
    asking = ("engine.access.door", "engine.access.credentials.")  # who knocks, before there is a session
    allowed = ("engine.session.", "engine.statement.", "engine.errors.", "engine.spool.", *asking)
    strange = [name for name in imports(path) if name.startswith("engine") and not name.startswith(allowed)]
    assert strange == []


@pytest.mark.parametrize("path", MODULES, ids=named)
def test_rooms_are_imported_as_the_wheel_needs_it(path: Path) -> None:
    """The build of the wheel rewrites `from room…` only: `import room` would look outside of the package."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            assert not {alias.name.split(".")[0] for alias in node.names} & set(ROOMS)


@pytest.mark.parametrize("path", PRODUCT, ids=named)
def test_a_file_is_short_enough_to_be_read(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= LONGEST_FILE
    assert path.stem not in BANNED


@pytest.mark.parametrize("path", PRODUCT, ids=named)
def test_a_function_fits_a_screen(path: Path) -> None:
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert (node.end_lineno or 0) - node.lineno < LONGEST_FUNCTION, node.name


@pytest.mark.parametrize("path", MODULES, ids=named)
def test_every_module_says_what_it_is(path: Path) -> None:
    docstring = ast.get_docstring(tree(path))
    assert docstring
    assert len(docstring.splitlines()[0]) > 20


@pytest.mark.parametrize("room", ROOMS)
def test_every_folder_of_modules_is_a_package(room: str) -> None:
    folders = {path.parent for path in (ROOT / room).rglob("*.py") if "proto" not in path.parts}
    assert [named(folder) for folder in sorted(folders) if not (folder / "__init__.py").is_file()] == []
