"""The prompt of `lakehouse sql`."""

import json

import pyarrow as pa
import pytest

from cli.repl import loop


def test_ctrl_c_ends_a_statement_and_not_the_prompt(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    typed = iter(["select long();", "select short();"])

    def line(prompt: str) -> str:
        try:
            return next(typed)
        except StopIteration:
            raise EOFError from None

    class Source:
        def query(self, sql: str) -> tuple[pa.Table, int | None]:
            if "long" in sql:
                raise KeyboardInterrupt
            return pa.table({"short": [1]}), None

    monkeypatch.setattr("builtins.input", line)
    loop(Source(), "json")
    told = capsys.readouterr()
    assert told.err == "cancelled\n"
    assert json.loads(told.out.splitlines()[-2]) == {"short": 1}
