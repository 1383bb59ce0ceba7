"""The command line as a user meets it: other processes, real signals."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import adbc_driver_flightsql.dbapi as flight_sql
import pytest

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-c", "import lakehouse; lakehouse.main()"]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "LAKEHOUSE_MODELS__EMBEDDER": "hash:256", "COLUMNS": "160"}


def lakehouse(*arguments: str, cwd: Path, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """Run one command to its end."""
    return subprocess.run(
        [*COMMAND, *arguments],
        cwd=cwd,
        env=ENVIRONMENT,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def test_tokens_are_made_listed_and_revoked(tmp_path: Path) -> None:
    home = str(tmp_path / "home")
    made = lakehouse("token", "create", "admin", "--expires", "1 day", "--home", home, cwd=tmp_path)
    assert made.returncode == 0, made.stderr
    token = next(word for word in made.stdout.split() if word.startswith("lh_"))
    listed = lakehouse("token", "list", "--home", home, cwd=tmp_path)
    assert token.split("_")[1] in listed.stdout
    assert token not in listed.stdout
    assert lakehouse("token", "revoke", token.split("_")[1], "--home", home, cwd=tmp_path).returncode == 0
    assert "revoked" in lakehouse("token", "list", "--home", home, cwd=tmp_path).stdout
    missing = lakehouse("token", "create", "nobody", "--home", home, cwd=tmp_path)
    assert (missing.returncode, missing.stderr[:11]) == (1, "[NOT_FOUND]")


def test_another_address_is_refused_until_it_is_safe(tmp_path: Path) -> None:
    refused = lakehouse("serve", "--home", str(tmp_path / "home"), "--flight-host", "0.0.0.0", cwd=tmp_path)
    assert refused.returncode == 1
    assert refused.stderr.startswith(
        "[FORBIDDEN] serving on 0.0.0.0 needs TLS and a token; set [access] tls_certificate"
    )


@contextmanager
def served(home: Path, cwd: Path) -> Iterator[tuple["subprocess.Popen[str]", dict[str, str]]]:
    """A server of `home` in a process of its own, and its addresses."""
    server = subprocess.Popen(
        [*COMMAND, "serve", "--home", str(home), "--flight-port", "0", "--web-port", "0"],
        cwd=cwd,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert server.stdout is not None
    try:
        lines = []
        for line in server.stdout:
            lines.append(line)
            if line.startswith("Ready"):
                break
        assert lines, "the server printed nothing"
        assert lines[-1].startswith("Ready"), "".join(lines)
        yield server, json.loads((home / "server.json").read_text())
    finally:
        if server.poll() is None:
            server.kill()
        server.wait()
        server.stdout.close()


@pytest.fixture
def csv(tmp_path: Path) -> Path:
    path = tmp_path / "people.csv"
    path.write_text("id,name\n1,Ada\n2,Grace\n")
    return path


def test_ingest_then_sql_in_every_format(tmp_path: Path, csv: Path) -> None:
    done = lakehouse("ingest", csv.name, "people", "--key", "id", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "created" in done.stdout
    again = lakehouse("ingest", csv.name, "people", cwd=tmp_path)
    assert "unchanged" in again.stdout
    sql = "select id, name from people order by id"
    assert lakehouse("sql", sql, "--format", "csv", cwd=tmp_path).stdout == '"id","name"\n1,"Ada"\n2,"Grace"\n'
    rows = [json.loads(line) for line in lakehouse("sql", sql, "--format", "json", cwd=tmp_path).stdout.splitlines()]
    assert rows == [{"id": 1, "name": "Ada"}, {"id": 2, "name": "Grace"}]
    assert "2 rows" in lakehouse("sql", "-", cwd=tmp_path, stdin=sql).stdout


def test_a_failure_is_one_line_and_code_1(tmp_path: Path) -> None:
    done = lakehouse("sql", "select * from nothing_here", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("[NOT_FOUND] ")
    assert "Traceback" not in done.stderr


def test_wrong_usage_is_code_2(tmp_path: Path) -> None:
    assert lakehouse("sql", "select 1", "--format", "xml", cwd=tmp_path).returncode == 2
    assert lakehouse("nonsense", cwd=tmp_path).returncode == 2


def test_check_shows_each_value_with_its_origin(tmp_path: Path) -> None:
    home = tmp_path / "lakehouse-home"
    home.mkdir()
    (home / "lakehouse.toml").write_text("[flight]\nport = 4000\n")
    done = lakehouse("check", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    line = next(line for line in done.stdout.splitlines() if line.startswith("flight.port"))
    assert "4000" in line
    assert "lakehouse.toml" in line
    assert any("models.embedder" in line and "environment" in line for line in done.stdout.splitlines())


def test_an_unknown_setting_names_the_nearest(tmp_path: Path) -> None:
    home = tmp_path / "lakehouse-home"
    home.mkdir()
    (home / "lakehouse.toml").write_text("[flight]\nprot = 4000\n")
    done = lakehouse("check", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.strip() == (
        "[INVALID] unknown setting 'flight.prot' (lakehouse.toml); did you mean 'flight.port' or 'flight.host'?"
    )


def test_sql_and_ingest_talk_to_the_running_server(tmp_path: Path, csv: Path) -> None:
    home = tmp_path / "home"
    with served(home, tmp_path):
        done = lakehouse("ingest", csv.name, "people", "--home", str(home), cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        answer = lakehouse(
            "sql", "select count(*) as n from people", "--home", str(home), "--format", "json", cwd=tmp_path
        )
        assert json.loads(answer.stdout) == {"n": 2}
        failed = lakehouse("sql", "select * from nope", "--home", str(home), cwd=tmp_path)
        assert failed.returncode == 1
        assert failed.stderr.startswith("[NOT_FOUND] ")


def test_a_second_server_on_the_same_home_is_refused_clearly(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with served(home, tmp_path) as (_, addresses):
        second = lakehouse("serve", "--home", str(home), "--flight-port", "0", "--web-port", "0", cwd=tmp_path)
        assert second.returncode == 1
        assert second.stderr.strip() == (
            f"[CONFLICT] the home 'home' is served already at {addresses['flight']}; "
            "connect to it, stop it, or choose another --home"
        )


def test_sigterm_lets_the_running_query_end_and_exits_0(tmp_path: Path) -> None:
    home = tmp_path / "home"
    sql = "select sum(i * j % 7) as s from range(12000) as a(i), range(12000) as b(j)"
    with served(home, tmp_path) as (server, addresses):
        asking = subprocess.Popen(
            [*COMMAND, "sql", sql, "--home", str(home), "--format", "json"],
            cwd=tmp_path,
            env=ENVIRONMENT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        with flight_sql.connect(addresses["flight"], autocommit=True) as connection, connection.cursor() as cursor:
            running: list[tuple[object, ...]] = []
            while not running and asking.poll() is None:
                cursor.execute("select sql from lake.statements where status = 'running' and sql like '%range(12000)%'")
                running = cursor.fetchall()
        server.send_signal(signal.SIGTERM)
        answer, complaint = asking.communicate(timeout=60)
        assert running, "the query was over before it could be looked at"
        assert (asking.returncode, complaint) == (0, "")
        assert "s" in json.loads(answer)
        assert server.wait(timeout=30) == 0
    assert not (home / "server.json").exists()


def test_a_stale_address_file_is_no_obstacle(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with served(home, tmp_path) as (server, _):
        server.kill()
        server.wait()
        assert (home / "server.json").exists()
        # the number of the killed server may belong to another process by now: here, to this one
        addresses = json.loads((home / "server.json").read_text())
        (home / "server.json").write_text(json.dumps({**addresses, "pid": os.getpid()}))
    done = lakehouse("sql", "select 1 as one", "--home", str(home), "--format", "json", cwd=tmp_path)
    assert json.loads(done.stdout) == {"one": 1}
