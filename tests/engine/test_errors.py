import pytest

from engine.errors import BY_CODE, LONGEST, Invalid, LakehouseError, NotFound, nearest, parse

STATUSES = {
    "INVALID": 400,
    "UNAUTHENTICATED": 401,
    "FORBIDDEN": 403,
    "NOT_FOUND": 404,
    "CONFLICT": 409,
    "RULE": 422,
    "BUSY": 503,
    "TIMEOUT": 504,
    "INTERNAL": 500,
}


def test_the_tree_has_the_promised_codes() -> None:
    assert {code: kind.status for code, kind in BY_CODE.items()} == STATUSES
    assert set(BY_CODE.values()) == set(LakehouseError.__subclasses__()) - {
        kind for kind in LakehouseError.__subclasses__() if not kind.__module__.startswith("engine.")
    }


@pytest.mark.parametrize("kind", BY_CODE.values(), ids=list(BY_CODE))
def test_an_error_survives_its_way_over_the_wire(kind: type[LakehouseError]) -> None:
    for message, hint in [("a; b", "do c"), ("a", None), ("usage", "f(x := 1)"), ("é \u20ac", "„hint“")]:
        error = kind(message, hint)
        assert str(error) == f"[{kind.code}] {message}" + (f"; {hint}" if hint else "")
        found = parse(f"Invalid Input Error: Python exception occurred: KindOf: {error}\nmore")
        assert type(found) is kind
        assert (found.message, found.hint) == (message, hint)


@pytest.mark.parametrize("kind", BY_CODE.values(), ids=list(BY_CODE))
def test_the_docstring_is_the_default_message(kind: type[LakehouseError]) -> None:
    assert str(kind()) == f"[{kind.code}] {kind.__doc__}"


def test_a_text_without_a_code_is_no_error_of_ours() -> None:
    assert parse("Binder Error: [WHATEVER] nothing") is None


def test_an_error_is_an_exception_with_its_text() -> None:
    assert Invalid("a", "b").args == ("[INVALID] a; b",)
    assert isinstance(NotFound("x"), LakehouseError)


def test_the_nearest_names() -> None:
    assert nearest("worker", ["workers", "notes"]) == "did you mean 'workers'?"
    assert nearest("xyz", []) == "there are none yet"
    assert nearest("xyz", ["b", "a"]) == "known: a, b"
    assert nearest("xyz", [f"n{i:02}" for i in range(12)]).endswith("n09 …")
    assert nearest("resume", {"resumes": 1, "resumed": 2}) == "did you mean 'resumes' or 'resumed'?"


def test_the_nearest_names_are_near_in_whatever_case() -> None:
    assert nearest("RESUMES", ["resumes", "notes"]) == "did you mean 'resumes'?"
    assert nearest("resumes", ["Resumes", "RESUMES"]) == "did you mean 'RESUMES' or 'Resumes'?"
    assert nearest("score", ["corpus", "id"]) == "known: corpus, id"
    assert nearest("engin", ["engine.memory_limit", "web.port"]) == "did you mean 'engine.memory_limit'?"
    assert nearest("", ["b", "a"]) == "known: a, b"


def test_what_else_helps_stands_apart() -> None:
    assert nearest("worker", ["workers"], "see x") == "did you mean 'workers'? see x"
    assert nearest("gpt-4", ["extractive"], "see x") == "known: extractive; see x"
    assert nearest("gpt-4", [], "see x") == "there are none yet; see x"


def test_what_a_user_sent_makes_no_error_of_its_length() -> None:
    error = NotFound(f"corpus {'x' * 100_000!r} does not exist", "y" * 100_000)
    assert len(error.message) == len(str(error.hint)) == LONGEST
    assert error.message.startswith("corpus 'xxx")
    assert error.message.endswith("xxx' does not exist")
    whole = "x" * LONGEST
    assert (Invalid(whole, whole).message, Invalid(whole, whole).hint) == (whole, whole)
