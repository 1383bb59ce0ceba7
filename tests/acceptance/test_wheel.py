"""The wheel: one polite package, complete, and it works where the repository is not."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest
from hatchling.build import build_wheel

ROOT = Path(__file__).parents[2]
ROOMS = ("engine", "udfs", "sql", "flight", "web", "cli")
FILES = ("pyproject.toml", "hatch_build.py", "lakehouse.py", "README.md", "LICENSE")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built in this process from a copy of the sources."""
    sources, built = tmp_path_factory.mktemp("sources"), tmp_path_factory.mktemp("built")
    for room in ROOMS:
        shutil.copytree(ROOT / room, sources / room)
    (sources / "web" / "node_modules").mkdir()
    (sources / "web" / "node_modules" / "much.js").write_text("nobody needs this")
    for name in FILES:
        shutil.copy(ROOT / name, sources / name)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(sources)
        patch.setenv("TMPDIR", str(tmp_path_factory.mktemp("staging")))
        return built / build_wheel(str(built))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with nothing but the wheel, as pip installs it."""
    target = tmp_path_factory.mktemp("installed") / "site"
    install = ["-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--no-compile", "--target", str(target)]
    subprocess.run([sys.executable, *install, str(wheel)], check=True, timeout=100)
    return target


def python(installed: Path, cwd: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Python with the installed wheel and its dependencies; -S hides the editable install of the repository."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("LAKEHOUSE_")}
    path = os.pathsep.join([str(installed), sysconfig.get_path("purelib")])
    environment = {**kept, "PYTHONPATH": path, "LAKEHOUSE_MODELS__EMBEDDER": "hash:256"}
    command = [sys.executable, "-S", *arguments]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=100, check=False)


def test_its_only_top_level_is_its_own_name(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        tops = {name.split("/")[0] for name in archive.namelist()}
    assert tops == {"lakehouse", f"{wheel.name.split('-py3')[0]}.dist-info"}


def test_it_holds_every_file_of_the_rooms_and_nothing_else(wheel: Path) -> None:
    ignored = ("__pycache__", "node_modules")
    expected = {
        f"lakehouse/{path.relative_to(ROOT).as_posix()}"
        for room in ROOMS
        for path in (ROOT / room).rglob("*")
        if path.is_file() and not any(part in ignored for part in path.parts)
    }
    with zipfile.ZipFile(wheel) as archive:
        found = {name for name in archive.namelist() if name.startswith("lakehouse/")}
    assert found == expected | {"lakehouse/__init__.py", "lakehouse/__main__.py"}
    for needed in (
        "sql/schema/0001_control.sql", "sql/functions/search.sql", "sql/filter_functions.txt", "web/templates/ask.html",
        "engine/models/tokenizer.json", "web/static/frame.css",
    ):  # fmt: skip
        assert f"lakehouse/{needed}" in found


def test_no_module_of_it_imports_a_room_by_its_bare_name(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            if name.endswith(".py"):
                for line in archive.read(name).decode().splitlines():
                    words = line.split()
                    if words[:1] in (["from"], ["import"]) and len(words) > 1:
                        assert words[1].split(".")[0] not in ROOMS, f"{name}: {line}"


def test_the_rooms_are_found_under_its_name_only(installed: Path, tmp_path: Path) -> None:
    script = (
        "import importlib.util, json, sys, lakehouse, lakehouse.flight.server, lakehouse.web.app, lakehouse.cli.main\n"
        f"rooms = {ROOMS!r}\n"
        "print(json.dumps([lakehouse.__file__, lakehouse.Lake.__module__,"
        " [room for room in rooms if room in sys.modules or importlib.util.find_spec(room)]]))"
    )
    ran = python(installed, tmp_path, "-W", "error", "-c", script)
    assert ran.returncode == 0, ran.stderr
    file, module, bare = json.loads(ran.stdout)
    assert Path(file) == installed / "lakehouse" / "__init__.py"
    assert module == "lakehouse.engine.lake"
    assert bare == []


@pytest.mark.parametrize(
    "command", [["-m", "lakehouse"], ["-c", "import lakehouse; lakehouse.main()"]], ids=["-m", "main"]
)
def test_its_command_works_where_the_repository_is_not(installed: Path, tmp_path: Path, command: list[str]) -> None:
    checked = python(installed, tmp_path, *command, "check", "--home", "home")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "flight.port" in checked.stdout
    assert "failed" not in checked.stdout
    asked = python(installed, tmp_path, *command, "sql", "select 42 as x", "--home", "home", "--format", "csv")
    assert (asked.returncode, asked.stdout.split()[-1:]) == (0, ["42"]), asked.stderr
    assert (tmp_path / "home" / "lake.duckdb").is_file()
    version = python(installed, tmp_path, *command, "--version")
    assert version.stdout.startswith("lakehouse, version ")


def test_an_installed_lake_answers(installed: Path, tmp_path: Path) -> None:
    script = (
        "import lakehouse\n"
        "with lakehouse.connect('home') as lake:\n"
        "    lake.execute(\"create table docs as select 1 as id, 'forklift operator' as body\")\n"
        "    lake.execute(\"select * from create_corpus('docs', 'docs', 'id', 'body')\")\n"
        "    print(lake.sql(\"select id from matrix_search('forklift')\").to_pylist())"
    )
    ran = python(installed, tmp_path, "-c", script)
    assert (ran.returncode, ran.stdout) == (0, "[{'id': '1'}]\n"), ran.stderr


def test_the_entry_point_is_the_command(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        [entries] = [name for name in archive.namelist() if name.endswith("entry_points.txt")]
        assert "lakehouse = lakehouse:main" in archive.read(entries).decode()
        [metadata] = [name for name in archive.namelist() if name.endswith("METADATA")]
        assert "License-Expression: Apache-2.0" in archive.read(metadata).decode()


def test_building_leaves_nothing_behind(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    assert list(tmp_path_factory.getbasetemp().glob("staging*/lakehouse-wheel-*")) == []
