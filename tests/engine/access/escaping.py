"""The house that `escapes.txt` is tried on: what is hidden in it, who asks, and what an attempt must come to.

An attempt is a line: who asks, what must come of it, and the statement. `FORBIDDEN`, `NOT_FOUND`, `INVALID` … is the
code of a refusal; `rows=0` and `value=x` are answers that show nothing, `ok` is any answer that tells nothing. A name
in braces is hidden from the one who asks: the same statement with a name that does not exist must be answered in the
same words. `{out}`, `{in}`, `{home}`, `{port}` and `{then}` are a folder that may not be read, one that may, the home,
a port that nobody may connect to, and the first version of the table `staff`.
"""

import ctypes
import os
import re
import socket
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from engine.errors import BY_CODE
from engine.session import Session
from lakehouse import open_lake
from tests.asking import session_of
from tests.conftest import FAST

IN_TABLES, IN_PLANE, IN_FILES = "kanarienvogel4711", "steinadler0815", "habichtskauz2342"  # where each is hidden
HIDDEN = {"admin": (IN_FILES,), "whole": (IN_FILES, IN_PLANE)}  # all others see none of the three
INSIDE = ("__as_", "__seen", "__lake", "__catalog", "__ducklake", "471147", "/site-packages")  # in no answer to anyone
OWN_WORDS = re.compile(r"(?i)errors|journal|statements")  # views that repeat what the asker has sent
HIDDEN_NAMES = ("payroll", "kickback", "whizbang", "hubbub", "vault", "ghost", "rough", "secrets", "safe")
NAMES = dict.fromkeys(("reader", "contributor", "editor", "partial"), HIDDEN_NAMES)
ESCAPES = Path(__file__).with_name("escapes.txt")
ROLES = ("reader", "contributor", "editor", "partial", "whole", "admin")
PLACES = ("out", "in", "home", "port", "then")
ENVIRONMENT = "HOUSE_CANARY"

SETUP = f"""
create table open as select i as a, 'open ' || i as b from range(5) as r(i);
create table staff as select i as id, 'klaus ' || i as name, if(i % 2 = 0, 'mine', 'theirs') as org,
    471147 + i as pay, '{IN_TABLES}@' || i as email, '{IN_TABLES}' as ghost, if(i % 2 = 0, '1', '{IN_TABLES}') as rough
from range(6) as r(i);
create table payroll as select '{IN_TABLES} later' as secret, 1 as a;
create table "drafts.safe" as select '{IN_TABLES}' as secret, 1 as a;
create view kickback as from payroll;
create view tally as select count(*) as n from payroll;
create macro whizbang() as table from payroll;
create macro hubbub() as (select max(secret) from payroll);
create schema vault;
create table vault.safe as select '{IN_TABLES}' as secret, 1 as a;
create table vault.open as select '{IN_TABLES}' as secret, 1 as a;
create schema drafts;
create table drafts.mine as select 1 as a, 'x' as b;
comment on table payroll is '{IN_TABLES}';
comment on column open.b is 'plain';
insert into payroll select '{IN_TABLES} gone', 2;
delete from payroll where a = 2;
select * from create_corpus('public', source := 'open', id := 'a', text := 'b');
select * from create_corpus('staffs', source := 'staff', id := 'id', text := 'name');
select * from create_corpus('secrets', source := 'payroll', id := 'a', text := 'secret');
select * from playbook_record('{IN_TABLES}', 'secrets', '1', 1.0);
select * from create_profile('other', description := '{IN_PLANE}');
select * from grant_access('other', 'open', filter := $$b <> '{IN_PLANE}'$$);
select * from create_token('other');
select '{IN_PLANE}' as said
"""
IN_PART = (
    "select * from grant_access('partial', 'staff', filter := $$org = 'mine'$$, "
    "columns := ['id', 'name', 'pay', 'email'], masks := {'pay': 'null', 'email': 'hash', 'name': 'mask(1, 0)'})",
    "select * from grant_access('partial', 'staffs', filter := $$org = 'mine'$$, columns := ['pay', 'email'], "
    "masks := {'pay': 'null', 'email': 'hash'})",
)
PLANE = ("profile", "access_grant", "token", "corpus", "live", "generation", "playbook", "pathway", "secret")
STATE = " union all ".join(
    [
        "select max(snapshot_id)::varchar from __ducklake_metadata_primary.ducklake_snapshot",
        *(f"select bit_xor(hash(t))::varchar || count(*) from control.{table} as t" for table in PLANE),
        "select bit_xor(hash(t))::varchar from duckdb_settings() as t",
        "select bit_xor(hash(database_name)) from duckdb_databases() where not starts_with(database_name, '__as')",
        "select count(*)::varchar from duckdb_functions() where not starts_with(database_name, '__as')",
        "select bit_xor(hash(sql))::varchar from duckdb_views() where database_name in ('lake', 'control', 'fn')",
        "select count(*)::varchar from duckdb_secrets()",
    ]
)


NAMED = re.compile(r"\{(\w+)\}")
LINE = re.compile(r"(\w+) +([A-Z_]+|ok|rows=\d+|value=\S+) +(.*)")


@dataclass(frozen=True)
class Attempt:
    """One line of `escapes.txt`."""

    line: int
    section: str
    role: str
    wanted: str
    text: str

    @property
    def hides(self) -> bool:
        """Whether it names something that is hidden."""
        return any(name not in PLACES for name in NAMED.findall(self.text))


def attempts() -> Iterator[Attempt]:
    section = ""
    for number, line in enumerate(ESCAPES.read_text(encoding="utf-8").splitlines(), 1):
        if line.startswith("["):
            section = line.strip("[]")
        elif line and not line.startswith("#"):
            found = LINE.fullmatch(line)
            assert found, f"{ESCAPES.name}:{number} {line}"
            role, wanted, text = found.groups()
            assert role in ROLES, line
            assert wanted in BY_CODE or wanted[0].islower(), line
            yield Attempt(number, section, role, wanted, unescaped(text))


def unescaped(text: str) -> str:
    r"""`text` with `\n` and `\uXXXX` as the characters that they name: those that would not be seen in the file."""
    text = re.sub(r"\\u([0-9a-f]{4})", lambda found: chr(int(found.group(1), 16)), text)
    return text.replace("\\n", "\n")


class House:
    """The lake with everything hidden in it, a folder outside of it, and a port nobody may connect to."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.out, self.inside, self.home = folder / "out", folder / "in", folder / "home"
        self._port = socket.create_server(("127.0.0.1", 0))
        self._port.setblocking(False)
        self._furnish()
        self.lake = open_lake(self.home, settings={**FAST, "engine.statement_seconds": 20}, allowed=[self.inside])
        owner = self.lake.session()
        for one in SETUP.strip().split(";\n"):
            owner.run(one).read_all()
        self._make_roles(owner)
        self.mask_key = self.lake.mask_key  # made when it is first asked for
        self._watch = opening(self.out)
        then = owner.run("select min(version) as n from lake.versions where dataset = 'staff'").rows()[0]["n"]
        self.places = {
            "out": str(self.out), "in": str(self.inside), "home": str(self.lake.home),
            "port": str(self._port.getsockname()[1]), "then": str(then),
        }  # fmt: skip

    def _furnish(self) -> None:
        for folder in (self.out, self.inside):
            folder.mkdir()
        (self.inside / "given.csv").write_text("a,secret\n1,given\n")
        (self.out / "secret.csv").write_text(f"a,b\n{IN_FILES},1\n")
        (self.out / "secret.json").write_text(f'{{"a": "{IN_FILES}"}}\n')
        (self.out / "secret.parquet").write_bytes(b"PAR1" + IN_FILES.encode() + b"PAR1")
        (self.inside / "schema.sql").write_text(
            f"insert into control.profile (profile, role) values ('{IN_FILES}', 'x')"
        )
        (self.inside / "load.sql").write_text("")
        (self.inside / "link.csv").symlink_to(self.out / "secret.csv")
        self._former = os.environ.get(ENVIRONMENT)
        os.environ[ENVIRONMENT] = IN_FILES

    def _make_roles(self, owner: Session) -> None:
        session_of(self.lake, "reader", "reader", ("open", "tally", "public"))
        session_of(self.lake, "contributor", "contributor", ("open", "public"))
        session_of(self.lake, "editor", "editor", ("open", "public", "primary.drafts"))
        session_of(self.lake, "partial", "editor", ("open", "public", "primary.drafts"))
        session_of(self.lake, "whole", "editor", ("*",))
        for grant in IN_PART:
            owner.run(grant).read_all()

    def close(self) -> None:
        self.lake.close()
        self._port.close()
        os.close(self._watch)
        if self._former is None:
            del os.environ[ENVIRONMENT]

    def text(self, attempt: Attempt, *, missing: bool = False) -> str:
        """The statement with its places; with names that do not exist instead of those in braces, if `missing`."""

        def put(found: re.Match[str]) -> str:
            name = found.group(1)
            return self.places.get(name) or (name[::-1] if missing else name)

        return NAMED.sub(put, attempt.text)

    def state(self) -> tuple[object, ...]:
        """All that no attempt may change."""
        with closing(self.lake.cursor()) as cursor:
            rows = tuple(cursor.execute(STATE).fetchall())
        files = sorted((str(one), one.stat().st_mtime_ns) for one in [*self.out.iterdir(), *self.inside.iterdir()])
        self._seen()
        return rows, tuple(files)

    def _seen(self) -> bytes:
        """What was done to the files outside since this was asked."""
        try:
            return os.read(self._watch, 1 << 16)
        except BlockingIOError:
            return b""

    def touched(self) -> str:
        """Whether somebody has opened a file outside or connected to the port since this was asked; empty for no."""
        if self._seen():
            return "a file outside was opened"
        try:
            connection, _ = self._port.accept()
        except BlockingIOError:
            return ""
        connection.close()
        return "somebody connected to the port"


IN_OPEN, IN_CREATE, IN_DELETE, IN_NONBLOCK = 0x20, 0x100, 0x200, 0x800


def opening(folder: Path) -> int:
    """A descriptor from which something can be read as soon as a file of the folder is opened, made or removed."""
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor: int = libc.inotify_init1(IN_NONBLOCK)
    assert descriptor >= 0
    assert libc.inotify_add_watch(descriptor, os.fsencode(folder), IN_OPEN | IN_CREATE | IN_DELETE) >= 0
    return descriptor


@dataclass(frozen=True)
class Outcome:
    """What came of a statement: the code of its error or `ok`, all that was told, the rows and the first value."""

    code: str
    told: str
    rows: int = 0
    value: str = ""


Ask = Callable[[str, str], Outcome]  # the role, the statement


def answered(table: pa.Table) -> Outcome:
    columns = [column.combine_chunks() for column in table.columns]
    whole = {"window": 10_000, "container_window": 10_000, "element_size_limit": 1 << 20}
    told = "\n".join([str(table.schema), *(column.to_string(**whole) for column in columns)])
    plain = table.num_rows and not pa.types.is_nested(columns[0].type)
    return Outcome("ok", told, table.num_rows, str(columns[0][0].as_py()) if plain else "")


def tried(house: House, attempt: Attempt, ask: Ask) -> str:
    """Make an attempt; what is wrong with what came of it, empty for nothing."""
    sql = house.text(attempt)
    outcome = ask(attempt.role, sql)
    wrong = differs(attempt.wanted, outcome) or betrays(house, attempt.role, sql, outcome.told) or house.touched()
    if attempt.hides and not wrong:
        other = ask(attempt.role, house.text(attempt, missing=True))
        told = NAMED.sub(lambda found: found.group(1), other.told)
        for name in NAMED.findall(attempt.text):
            told = told.replace(name[::-1], name)
        if (other.code, told) != (outcome.code, outcome.told):
            wrong = f"what does not exist is answered so: {other.told[:1000]}"
    return wrong and f"{ESCAPES.name}:{attempt.line} {attempt.role}: {sql!r}\n  {wrong}\n  {outcome.told[:1000]}\n"


def differs(wanted: str, outcome: Outcome) -> str:
    kind, _, value = wanted.partition("=")
    found = {"rows": str(outcome.rows), "value": outcome.value}.get(kind, outcome.code)
    expected = value or wanted
    if kind in ("rows", "value") and outcome.code != "ok":
        return f"wanted an answer, found {outcome.code}"
    return "" if found == expected else f"wanted {wanted}, found {found}"


def betrays(house: House, role: str, sql: str, told: str) -> str:
    """What an answer tells that is hidden from the role; what was asked with its name is not counted."""
    told, asked = told.lower(), sql.lower()
    secrets = [*HIDDEN.get(role, (IN_TABLES, IN_PLANE, IN_FILES)), house.mask_key]
    if not OWN_WORDS.search(sql):
        secrets += [word for word in (*NAMES.get(role, ()), *INSIDE, str(house.lake.home).lower()) if word not in asked]
    return next((f"it tells {secret!r}" for secret in secrets if secret in told), "")
