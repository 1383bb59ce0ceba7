"""Errors as responses: JSON for the API, a page for people, with code, message and hint and no traceback."""

from http import HTTPStatus

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from engine.errors import Forbidden, Internal, Invalid, LakehouseError, NotFound, Unauthenticated
from web.render import page

JSON_PATHS = ("/v1/", "/health")


def body(error: LakehouseError) -> dict[str, dict[str, str | None]]:
    """`{"error": {"code", "message", "hint"}}`."""
    return {"error": {"code": error.code, "message": error.message, "hint": error.hint}}


def respond(request: Request, error: LakehouseError, status: int | None = None) -> Response:
    """The response to a request that failed. `status` is that of HTTP itself where it says more than the code."""
    status = status or error.status
    if request.scope["path"].startswith(JSON_PATHS):
        response: Response = JSONResponse(body(error), status)
    else:
        response = page(request, "error.html", {"error": error, "phrase": HTTPStatus(status).phrase}, status)
    if isinstance(error, Unauthenticated):  # a browser asks its user then
        response.headers["www-authenticate"] = 'Basic realm="Lakehouse", charset="UTF-8"'
    return response


def on_lakehouse_error(request: Request, error: Exception) -> Response:
    """Handler of the error tree."""
    assert isinstance(error, LakehouseError)
    return respond(request, error)


def on_http_error(request: Request, error: Exception) -> Response:
    """Handler of what the HTTP machinery refuses: unknown paths, wrong methods, bodies that are too large."""
    assert isinstance(error, HTTPException)
    response = respond(request, _named(request, error), error.status_code)
    response.headers.update(error.headers or {})
    return response


def _named(request: Request, error: HTTPException) -> LakehouseError:
    if error.status_code == HTTPStatus.NOT_FOUND:
        return NotFound(f"there is no page {request.scope['path']}", "start at /")
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        allowed = (error.headers or {}).get("Allow", "another method")
        return Invalid(f"{request.method} is not possible here", f"use {allowed}")
    kind = Forbidden if error.status_code == HTTPStatus.FORBIDDEN else Invalid
    return (kind if error.status_code < HTTPStatus.INTERNAL_SERVER_ERROR else Internal)(error.detail)
