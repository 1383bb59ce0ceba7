"""Templates. Everything is escaped unless a template says otherwise, and none does."""

from collections.abc import Mapping
from importlib.resources import files
from urllib.parse import quote, urlencode

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse

ROOM = files(__package__)
STATIC = str(ROOM.joinpath("static"))


def segment(text: str) -> str:
    """`text` as one segment of a path."""
    return quote(text, safe="")


def sql_link(statement: str) -> str:
    """The address of the SQL page with `statement` filled in."""
    return "/sql?" + urlencode({"statement": statement})


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(str(ROOM.joinpath("templates"))),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["segment"] = segment
    environment.globals["sql_link"] = sql_link
    return environment


TEMPLATES = _environment()


def page(request: Request, template: str, context: Mapping[str, object], status: int = 200) -> HTMLResponse:
    """The page `template`, filled with `context`."""
    text = TEMPLATES.get_template(template).render({"path": request.scope["path"], **context})
    return HTMLResponse(text, status)
