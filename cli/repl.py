"""The prompt of `lakehouse sql`: a statement ends with a semicolon, Ctrl-D ends the session."""

import readline  # noqa: F401  # gives `input` a history and editing
import sys

import click

from cli.client import Client, timed
from cli.printing import Format, show
from engine.errors import LakehouseError


def run_one(source: Client, statement: str, how: Format) -> None:
    """Run one statement and print its answer."""
    table, affected, seconds = timed(source, statement)
    show(table, affected, how, seconds if sys.stdout.isatty() else None)


def loop(source: Client, how: Format) -> None:
    """Read statements until Ctrl-D; an error is shown and the next one is read. Ctrl-C ends what runs or is typed."""
    click.echo("SQL, ended by a semicolon. Ctrl-D ends. Try: select * from lake.functions;")
    lines: list[str] = []
    while True:
        try:
            line = input("lakehouse> " if not lines else "      ...> ")
        except EOFError:
            click.echo()
            return
        except KeyboardInterrupt:
            lines = []
            click.echo()
            continue
        lines.append(line)
        text = "\n".join(lines).strip()
        if text.endswith(";"):
            lines = []
            try:
                run_one(source, text, how)
            except LakehouseError as error:
                click.echo(str(error), err=True)
            except KeyboardInterrupt:
                click.echo("cancelled", err=True)
