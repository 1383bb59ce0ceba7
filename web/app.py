"""The application: which path is which page, and what surrounds them all."""

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from engine.access.door import Lock
from engine.errors import LakehouseError
from engine.session import SessionSource
from web import api, asking, errors, export, pages
from web.caller import Caller
from web.protection import Protection
from web.render import STATIC

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})

ROUTES = [
    Route("/", asking.ask_page),
    Route("/outcomes", asking.record_outcome, methods=["POST"]),
    Route("/sql", pages.sql_form, methods=["GET"]),
    Route("/sql", pages.sql_run, methods=["POST"]),
    Route("/sql/export", export.export, methods=["POST"]),
    Route("/explore", pages.explore),
    Route("/explore/dataset/{name:path}", pages.dataset),
    Route("/explore/corpus/{name:path}", pages.corpus),
    Route("/journal", pages.journal),
    Route("/v1/sql", api.run_sql, methods=["POST"]),
    Route("/health", api.health),
    Mount("/static", StaticFiles(directory=STATIC)),
]


def create_app(
    source: SessionSource, *, lock: Lock | None = None, hosts: frozenset[str] | None = LOOPBACK
) -> Starlette:
    """The console and the JSON API over `source`, every request as whom it proves to be.

    `hosts` are the names that the Host header may carry, None for any; a request to any other name is refused.
    """
    caller = Caller(source, lock or Lock())
    app = Starlette(
        routes=ROUTES,
        middleware=[Middleware(Protection, hosts=hosts, respond=errors.respond)],
        exception_handlers={LakehouseError: errors.on_lakehouse_error, HTTPException: errors.on_http_error},
        lifespan=caller.lifespan,
    )
    app.state.caller = caller
    return app
