"""Options that several rankers share are declared once, and are options like any other."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypedDict

import pytest
from typing_extensions import Unpack

from rankkit.errors import BadOption
from rankkit.plugin import Default, with_defaults
from rankkit.registry.options import check_options, coerced
from rankkit.registry.spec import parse


class Connection(TypedDict, total=False):
    """Whom to ask."""

    url: Annotated[str | None, Default(None)]
    tries: Annotated[int, Default(6)]
    mode: Annotated[Literal["text", "logprob"], Default("text")]


class Judge:
    def __init__(self, *, degree: int = 8, **connection: Unpack[Connection]) -> None:
        self.degree, self.connection = degree, with_defaults(Connection, connection)


def given(text: str) -> dict[str, Any]:
    ((spec, _),) = parse(text)
    found = coerced(spec, Judge)
    check_options(spec.name, Judge, found)
    return found


def test_shared_options_are_read_by_their_annotations():
    assert given("judge:tries=3,degree=4,url=none") == {"tries": 3, "degree": 4, "url": None}
    assert Judge(**given("judge:tries=3")).connection == {"url": None, "tries": 3, "mode": "text"}


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("judge:trys=3", "degree=8, url=None, tries=6, mode=text"),
        ("judge:tries=many", "tries='many'"),
        ("judge:mode=loud", "mode='loud' is not one of text, logprob"),
    ],
)
def test_a_wrong_shared_option_is_refused_at_load_with_those_there_are(text, named):
    with pytest.raises(BadOption, match=named):
        given(text)


def test_an_option_that_is_not_shared_is_refused_by_the_call_too():
    with pytest.raises(TypeError, match="trys"):
        Judge(trys=3)


def test_a_shared_option_with_a_reserved_name_is_refused():
    class Named(TypedDict, total=False):
        metadata: Annotated[str, Default("")]

    with pytest.raises(BadOption, match="metadata"):
        with_defaults(Named, {})
