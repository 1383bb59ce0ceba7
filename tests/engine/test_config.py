import os
from pathlib import Path
from typing import Any

import pytest

from engine.config import load
from engine.errors import Invalid


@pytest.fixture(autouse=True)
def no_settings_of_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.upper().startswith("LAKEHOUSE_")]:
        monkeypatch.delenv(name)


def write(home: Path, text: str) -> Path:
    (home / "lakehouse.toml").write_text(text, encoding="utf-8")
    return home


def refusal(home: Path, overrides: dict[str, Any] | None = None) -> str:
    with pytest.raises(Invalid) as caught:
        load(home, overrides)
    assert str(home) not in str(caught.value)
    return str(caught.value)


def test_defaults_without_a_file(tmp_path: Path) -> None:
    loaded = load(tmp_path)
    assert loaded.config.flight.port == 32010
    assert loaded.config.flight.host == loaded.config.web.host == "127.0.0.1"
    assert {row["origin"] for row in loaded.rows()} == {"default"}


def test_each_layer_wins_over_the_one_before_and_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, "[engine]\nthreads = 2\nlock_seconds = 7\n[flight]\nport = 1\n[web]\nport = 1\n")
    monkeypatch.setenv("LAKEHOUSE_FLIGHT__PORT", "2")
    monkeypatch.setenv("LAKEHOUSE_WEB__PORT", "2")
    loaded = load(tmp_path, {"web.port": 3})
    shown = {row["key"]: (row["value"], row["origin"]) for row in loaded.rows()}
    assert shown["engine.threads"] == ("2", "lakehouse.toml")
    assert shown["engine.lock_seconds"] == ("7.0", "lakehouse.toml")
    assert shown["flight.port"] == ("2", "environment")
    assert shown["web.port"] == ("3", "argument")
    assert shown["journal.buffer"] == ("10000", "default")


def test_every_setting_can_come_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known = load(tmp_path).rows()
    for row in known:
        value = '["/a"]' if row["value"].startswith("[") else row["value"]
        monkeypatch.setenv("LAKEHOUSE_" + row["key"].replace(".", "__").upper(), value)
    assert {row["origin"] for row in load(tmp_path).rows()} == {"environment"}
    assert len(known) > 20


@pytest.mark.parametrize(
    ("text", "begins", "hint"),
    [
        ("[engine]\nthreds = 2", "[INVALID] unknown setting 'engine.threds' (lakehouse.toml)", "'engine.threads'"),
        ("[engin]\nthreads = 2", "[INVALID] unknown setting 'engin' (lakehouse.toml)", "'engine.threads'"),
        ("[nothing]", "[INVALID] unknown setting 'nothing' (lakehouse.toml)", ""),
        ("threads = 2", "[INVALID] unknown setting 'threads' (lakehouse.toml)", "'engine.threads'"),
        ("engine = 2", "[INVALID] unknown setting 'engine' (lakehouse.toml)", "'engine.threads'"),
        ("[engine]\nthreads = 'many'", "[INVALID] setting engine.threads (lakehouse.toml): ", "integer"),
        ("[engine]\nthreads = -1", "[INVALID] setting engine.threads (lakehouse.toml): ", "0"),
        ("[engine]\nstatement_seconds = nan", "[INVALID] setting engine.statement_seconds (lakehouse.toml): ", "0"),
        ("[flight]\nport = 65536", "[INVALID] setting flight.port (lakehouse.toml): ", "65535"),
        ("[ingest]\nallowed = '/a'", "[INVALID] setting ingest.allowed (lakehouse.toml): ", "list"),
        ("[engine\n", "[INVALID] lakehouse.toml is not valid TOML: ", "line 1"),
    ],
)
def test_a_wrong_file_is_refused_by_name(tmp_path: Path, text: str, begins: str, hint: str) -> None:
    message = refusal(write(tmp_path, text))
    assert message.startswith(begins)
    assert hint in message


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "lakehouse.toml").mkdir()
    assert refusal(tmp_path).startswith("[INVALID] lakehouse.toml cannot be read: Is a directory")


def test_a_file_that_is_not_text(tmp_path: Path) -> None:
    (tmp_path / "lakehouse.toml").write_bytes(b"\xff\xfe")
    assert refusal(tmp_path).startswith("[INVALID] lakehouse.toml is not valid TOML")


@pytest.mark.parametrize(
    ("name", "value", "begins"),
    [
        ("LAKEHOUSE_ENGINE__THREDS", "2", "[INVALID] unknown setting in the environment: LAKEHOUSE_ENGINE__THREDS"),
        ("LAKEHOUSE_ENGINE", "{}", "[INVALID] unknown setting in the environment: LAKEHOUSE_ENGINE"),
        ("LAKEHOUSE_ENGINE__THREADS", "many", "[INVALID] setting engine.threads (environment): "),
        ("LAKEHOUSE_INGEST__ALLOWED", "/data", "[INVALID] a setting of the environment is not valid JSON"),
    ],
)
def test_a_wrong_environment_is_refused_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str, begins: str
) -> None:
    monkeypatch.setenv(name, value)
    assert refusal(tmp_path).startswith(begins)


def test_the_home_in_the_environment_is_no_setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAKEHOUSE_HOME", "/anywhere")
    load(tmp_path)


@pytest.mark.parametrize("key", ["threads", "engine.threds", "engine", "", "."])
def test_a_wrong_argument_is_refused_by_name(tmp_path: Path, key: str) -> None:
    assert refusal(tmp_path, {key: 1}).startswith(f"[INVALID] unknown setting {key!r} (argument)")
