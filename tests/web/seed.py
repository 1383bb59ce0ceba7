"""What the lake of these tests holds, with names and texts that would break a careless page."""

from pathlib import Path

from engine.lake import Lake
from lakehouse import open_lake
from web.pages import identifier

SCRIPT = "<script>document.title = 'broken into'</script>"
ODD = "odd name/with 'quotes' \"and\" ünïcödé <b>"

SEED = [
    """
    create table workers as
    select *
    from (values
        ('W-1', 'Forklift operator with OSHA-10, six years in cold storage. Drives reach trucks as well.', 'IL', 0.9),
        ('W-2', 'Forklift driver without certificates, good references.', 'WI', 0.5),
        ('W-3', 'Nurse with night shifts and triage.', 'IL', 0.7)
    ) as t (worker_id, resume, state, reliability)
    """,
    f"create table notes as select $${SCRIPT}$$ as id, $$Ladder check {SCRIPT} every Monday$$ as text, $$<i>$$ as site",
    f'create table {identifier(ODD)} as select 1 as "a <i>b", $${SCRIPT}$$ as c',
    "create schema archive",
    "create table archive.workers as select 'W-9' as worker_id",
    "select * from create_corpus('resumes', source := 'workers', id := 'worker_id', text := 'resume')",
    "select * from create_corpus('safety notes/<i>', source := 'notes', id := 'id', text := 'text')",
]


def run(lake: Lake, sql: str, *params: object) -> list[dict[str, object]]:
    """The rows of `sql`."""
    return lake.session().run(sql, list(params)).rows()


def opened(home: Path) -> Lake:
    return open_lake(home, settings={"models.embedder": "hash:64"})
