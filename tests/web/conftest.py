"""A real lake, a real console on a free port, and a real browser."""

import os
import shutil
from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import Browser, Page, Playwright, sync_playwright

from engine.lake import Lake
from tests.web.seed import SEED, opened, run
from tests.web.watched import Watched
from web.serve import Console

CHROMIUM = shutil.which("chromium")
LAUNCH = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking"]


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
