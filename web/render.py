"""Templates. Everything is escaped unless a template says otherwise, and none does."""

from importlib.resources import files
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse

ROOM = files(__package__)
STATIC = str(ROOM.joinpath("static"))


def segment(text: str) -> str:
    """`text` as one segment of a path."""
    return quote(text, safe="")


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(str(ROOM.joinpath("templates"))),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["segment"] = segment
    return environment


TEMPLATES = _environment()


def page(request: Request, template: str, *, status: int = 200, **context: object) -> HTMLResponse:
    """The page `template`, filled with `context`."""
    text = TEMPLATES.get_template(template).render(path=request.scope["path"], **context)
    return HTMLResponse(text, status)
