"""A real lake, a real console on a free port, and a real browser."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Playwright, sync_playwright

from engine.lake import Lake
from lakehouse import open_lake
from web.pages import identifier
from web.serve import Console

CHROMIUM = shutil.which("chromium")
LAUNCH = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking"]
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
    "select * from create_corpus('resumes', source := 'workers', id := 'worker_id', text := 'resume')",
    "select * from create_corpus('safety notes/<i>', source := 'notes', id := 'id', text := 'text')",
]


def run(lake: Lake, sql: str, *params: object) -> list[dict[str, object]]:
    """The rows of `sql`."""
    return lake.session().run(sql, list(params)).rows()


def opened(home: Path) -> Lake:
    return open_lake(home, settings={"models.embedder": "hash:64"})


@pytest.fixture(scope="session")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lake]:
    lake = opened(tmp_path_factory.mktemp("lake"))
    try:
        for statement in SEED:
            run(lake, statement)
        yield lake
    finally:
        lake.close()


@pytest.fixture(scope="session")
def console(lake: Lake) -> Iterator[Console]:
    with Console(lake, port=0) as console:
        yield console


@pytest.fixture
def client(console: Console) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=console.url, timeout=60) as client:
        yield client


@pytest.fixture(scope="session")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Console]:
    lake = opened(tmp_path_factory.mktemp("empty"))
    try:
        with Console(lake, port=0) as console:
            yield console
    finally:
        lake.close()


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    if CHROMIUM is None and os.environ.get("CI") != "true":
        pytest.skip("no chromium on this machine")
    with sync_playwright() as playwright:
        yield playwright


@pytest.fixture(scope="session")
def browser(playwright: Playwright) -> Iterator[Browser]:
    assert CHROMIUM, "CI needs chromium"
    browser = playwright.chromium.launch(executable_path=CHROMIUM, args=LAUNCH)
    yield browser
    browser.close()


class Watched:
    """A page whose foreign requests and errors are collected."""

    def __init__(self, context: BrowserContext, base: str) -> None:
        self.page: Page = context.new_page()
        self.foreign: list[str] = []
        self.errors: list[str] = []
        self.page.on("request", lambda request: self._request(request.url, base))
        self.page.on("console", lambda message: self.errors.append(message.text) if message.type == "error" else None)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))

    def _request(self, url: str, base: str) -> None:
        if not url.startswith((base + "/", "data:")):
            self.foreign.append(url)


@pytest.fixture(params=["script", "no script"])
def watched(request: pytest.FixtureRequest, browser: Browser, console: Console) -> Iterator[Watched]:
    """Once with and once without JavaScript; at the end nothing may have gone elsewhere or wrong."""
    context = browser.new_context(base_url=console.url, java_script_enabled=request.param == "script")
    watched = Watched(context, console.url)
    yield watched
    context.close()
    assert watched.foreign == []
    assert watched.errors == []


@pytest.fixture
def page(watched: Watched) -> Page:
    return watched.page
