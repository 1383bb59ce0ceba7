"""The commands. Exit codes: 0 done, 1 failed (message on stderr), 2 wrong usage."""

import os
import sys
from pathlib import Path
from typing import Any

import click

from engine.errors import Invalid, LakehouseError

HOME = click.option(
    "--home",
    type=click.Path(path_type=Path, file_okay=False),
    default=lambda: Path(os.environ.get("LAKEHOUSE_HOME", "lakehouse-home")),
    show_default="lakehouse-home, or LAKEHOUSE_HOME",
    help="Folder of the lake.",
)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="lakehouse-sql", prog_name="lakehouse")
def commands() -> None:
    """An embedded, SQL-centric AI lakehouse: tables, search and retrieval that learns, all in SQL."""


def run() -> None:
    """Run the command line; failures end with code 1 and one line, never with a trace."""
    try:
        commands(standalone_mode=False)
    except click.UsageError as error:
        error.show()
        sys.exit(2)
    except click.Abort:
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (LakehouseError, OSError) as error:
        click.echo(str(error) if isinstance(error, LakehouseError) else f"[INTERNAL] {error}", err=True)
        sys.exit(1)
    except BrokenPipeError:
        sys.exit(0)


@commands.command()
@click.option("--home", type=click.Path(path_type=Path, file_okay=False), default=Path("demo-home"), show_default=True)
@click.option(
    "--workers", type=click.IntRange(10, 1_000_000), default=2000, show_default=True, help="Size of the company."
)
@click.option("--serve", is_flag=True, help="Stay up afterwards, until Ctrl-C.")
def demo(home: Path, workers: int, serve: bool) -> None:
    """Make a company, ask about it over Flight SQL, record an outcome and see the answer improve."""
    click.echo(f"Lakehouse demo: a synthetic staffing company of {workers} workers, in {home}/")
    from cli.demo import walk  # the first line appears before the engine is loaded

    walk(home, workers, serve)


@commands.command()
@HOME
@click.option("--flight-host", help="Address of the Flight SQL door.")
@click.option("--flight-port", type=click.IntRange(0, 65535), help="Its port; 0 = any free one.")
@click.option("--web-port", type=click.IntRange(0, 65535), help="Port of the console; 0 = any free one.")
def serve(home: Path, flight_host: str | None, flight_port: int | None, web_port: int | None) -> None:
    """Serve a lake over Arrow Flight SQL and HTTP until SIGTERM or Ctrl-C."""
    from cli.serving import Serving

    given = {"flight.host": flight_host, "flight.port": flight_port, "web.port": web_port}
    serving = Serving(home, {key: value for key, value in given.items() if value is not None}, [Path.cwd()])
    try:
        click.echo(f"Flight SQL  {serving.addresses['flight']}")
        click.echo(f"Console     {serving.addresses['web']}")
        click.echo("Ready. Ctrl-C stops it.")
        serving.wait()
    finally:
        serving.close()


@commands.command()
@click.argument("statement", required=False)
@HOME
@click.option(
    "--format",
    "how",
    type=click.Choice(["table", "csv", "json", "arrow"]),
    default="table",
    show_default=True,
    help="Output.",
)
def sql(statement: str | None, home: Path, how: Any) -> None:
    """Run one SQL STATEMENT, or read statements from the terminal. `-` reads one from standard input."""
    from cli.client import client
    from cli.repl import loop, run_one

    with client(home, {}, [Path.cwd()]) as source:
        if statement is None and sys.stdin.isatty():
            loop(source, how)
        else:
            run_one(source, sys.stdin.read() if statement in (None, "-") else str(statement), how)


@commands.command()
@click.argument("uri")
@click.argument("name")
@HOME
@click.option("--key", help="Column that identifies a row: matching rows are updated.")
@click.option("--mode", default="auto", show_default=True, help="auto, append, merge, replace or error.")
def ingest(uri: str, name: str, home: Path, key: str | None, mode: str) -> None:
    """Read the files at URI (a path, a folder or a pattern) into the dataset NAME."""
    from cli.client import client, timed
    from cli.printing import show
    from engine.duck import literal

    path = uri if "://" in uri else str(Path(uri).absolute())
    arguments = [literal(path), literal(name), f"mode := {literal(mode)}"]
    if key:
        arguments.append(f"key := {literal(key)}")
    with client(home, {}, [Path.cwd()]) as source:
        table, affected, seconds = timed(source, f"select * from ingest({', '.join(arguments)})")
        show(table, affected, "table", seconds)


@commands.group()
def token() -> None:
    """Make, list and revoke the tokens by which programs get in."""


def _show(home: Path, sql: str) -> None:
    from cli.client import client, timed
    from cli.printing import show

    with client(home, {}, [Path.cwd()]) as source:
        table, affected, seconds = timed(source, sql)
        show(table, affected, "table", seconds)


@token.command("create")
@click.argument("profile")
@HOME
@click.option("--expires", help="A time, or a span such as '30 days'; without it the token does not expire.")
def create_token(profile: str, home: Path, expires: str | None) -> None:
    """Make a token of PROFILE. It is shown once."""
    from engine.duck import literal

    until = f", expires := {literal(expires)}" if expires else ""
    _show(home, f"select * from create_token({literal(profile)}{until})")


@token.command("list")
@HOME
def list_tokens(home: Path) -> None:
    """Show the tokens there are, never their secrets."""
    _show(home, "select * from lake.tokens order by created_at")


@token.command("revoke")
@click.argument("token_id")
@HOME
def revoke_token(token_id: str, home: Path) -> None:
    """Make a token worthless at once."""
    from engine.duck import literal

    _show(home, f"select * from revoke_token({literal(token_id)})")


@commands.command()
@HOME
def check(home: Path) -> None:
    """Show the effective configuration with the origin of each value, and whether the lake is well."""
    from cli.checking import facts
    from cli.printing import grid

    settings, health = facts(home)
    click.echo(grid(settings, rows=1000))
    click.echo()
    click.echo(grid(health, rows=1000))
    if "failed" in health.column("state").to_pylist():
        raise Invalid("the lake is not well", "see the lines above")
