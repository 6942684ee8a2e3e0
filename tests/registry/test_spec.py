from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, Optional, Union

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rankkit.errors import UsageError
from rankkit.registry.spec import Spec, coerce, parse

NAME = st.from_regex(r"[a-z][a-z0-9]*(-[a-z0-9]+)?", fullmatch=True)
KEY = st.from_regex(r"[a-z_][a-z0-9_]*", fullmatch=True)
VALUE = st.text(st.characters(exclude_characters="\"'", exclude_categories=("Cs",)), max_size=12)


def lone(text):
    ((spec, weight),) = parse(text)
    assert weight is None
    return spec


# --- one ranker ---


@pytest.mark.parametrize(
    ("text", "name", "options"),
    [
        ("hpsv3", "hpsv3", {}),
        ("  hpsv3 ", "hpsv3", {}),
        (
            "clip:model=ViT-L-14-quickgelu,device=cuda:1",
            "clip",
            {"model": "ViT-L-14-quickgelu", "device": "cuda:1"},
        ),
        ("pickscore:checkpoint=/models/PickScore_v1", "pickscore", {"checkpoint": "/models/PickScore_v1"}),
        ("clip:checkpoint=http://host:80/x?a=b", "clip", {"checkpoint": "http://host:80/x?a=b"}),
        ("my.module:score", "my.module:score", {}),
        ("my.module:Class.method", "my.module:Class.method", {}),
        ("my.module:score:quality=3,x=y", "my.module:score", {"quality": "3", "x": "y"}),
        ("a:x=", "a", {"x": ""}),
        ("a:x=it's", "a", {"x": "it's"}),
        ("http://host:8085", "http://host:8085", {}),
        ("https://host/a,b", "https://host/a,b", {}),
    ],
)
def test_a_name_is_followed_by_its_options(text, name, options):
    spec = lone(text)
    assert (spec.name, dict(spec.options)) == (name, options)
    assert spec.text == text.strip()


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('judge:ask="a, b + c * d"', "a, b + c * d"),
        ("judge:ask='say \"hi\", twice'", 'say "hi", twice'),
        ('judge:ask=""', ""),
        ('judge:ask="x=1:y=2"', "x=1:y=2"),
        ('judge:ask=say "hi"', 'say "hi"'),
    ],
)
def test_a_value_that_holds_marks_of_the_grammar_is_quoted(text, value):
    assert lone(text).options == {"ask": value}


@given(NAME, st.dictionaries(KEY, VALUE, max_size=3))
def test_any_quoted_value_is_read_back(name, options):
    text = f"{name}:" + ",".join(f'{key}="{value}"' for key, value in options.items()) if options else name
    spec = lone(text)
    assert (spec.name, dict(spec.options)) == (name, options)


@given(
    NAME,
    st.dictionaries(
        KEY, VALUE.filter(lambda value: not set(value) & set(",+*") and value == value.strip()), max_size=3
    ),
)
def test_a_plain_value_needs_no_quotes(name, options):
    text = f"{name}:" + ",".join(f"{key}={value}" for key, value in options.items()) if options else name
    assert dict(lone(text).options) == options


# --- panels ---


def test_a_panel_is_a_sum_of_weighted_names():
    assert parse("a*2+b") == [(Spec("a", "a"), 2.0), (Spec("b", "b"), 1.0)]
    assert [(spec.name, weight) for spec, weight in parse(" a * 2.5 + b ")] == [("a", 2.5), ("b", 1.0)]
    assert [(spec.name, weight) for spec, weight in parse("a*2")] == [("a", 2.0)]


def test_members_of_a_panel_keep_their_options_and_their_quotes():
    members = parse('a:x="1+1",y=2*3+my.module:f:z="*"*0.5')
    assert [(spec.name, dict(spec.options), weight) for spec, weight in members] == [
        ("a", {"x": "1+1", "y": "2"}, 3.0),
        ("my.module:f", {"z": "*"}, 0.5),
    ]


@given(st.lists(st.tuples(NAME, st.floats(0.01, 100)), min_size=2, max_size=4))
def test_any_panel_is_read_back(members):
    text = "+".join(f"{name}*{weight:f}" for name, weight in members)
    assert [(spec.name, weight) for spec, weight in parse(text)] == [
        (name, float(f"{weight:f}")) for name, weight in members
    ]


# --- bad grammar ---


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "a ranker's name is missing"),
        ("a+", "a ranker's name is missing"),
        ("*2", "a ranker's name is missing"),
        ("a:x=1,y", r"'y' is not key=value"),
        ("localhost:8085", "is no ranker; write the address of a server as http://localhost:8085"),
        ("10.0.0.7:80", "as http://10.0.0.7:80"),
        ("a:x=1,,y=2", r"'' is not key=value"),
        ("a:x=1,2y=3", r"'2y=3' is not key=value"),
        ("a:x=1,x=2", "gives x twice"),
        ('a:x="1', "a quote .* is not closed"),
        ("a*b", "the weight 'b' is not a number"),
        ("a*2*3", "has more than one weight"),
    ],
)
def test_bad_grammar_is_shown_with_the_whole_text(text, message):
    with pytest.raises(UsageError, match=message) as caught:
        parse(text)
    assert repr(text) in str(caught.value)


@pytest.mark.parametrize(
    "text", ["ftp://me:secret@gpu7", "file:///etc/secret", "HTTP://gpu7:1", "ws://gpu7,a=1"]
)
def test_an_address_of_another_kind_is_refused_without_what_may_be_a_password(text):
    with pytest.raises(
        UsageError, match="^no ranker can be asked by .*; write the address as http://HOST"
    ) as caught:
        parse(text)
    assert text.partition("://")[0] in str(caught.value) and "secret" not in str(caught.value)


@given(st.text(max_size=30))
def test_any_text_is_a_spec_or_a_usage_error(text):
    with suppress(UsageError):
        assert all(spec.name for spec, _ in parse(text))


# --- coercion ---


@pytest.mark.parametrize(
    ("text", "wanted", "value"),
    [
        ("3", int, 3),
        ("3", float, 3.0),
        ("1e-3", float, 0.001),
        ("3", str, "3"),
        ("true", str, "true"),
        ("/tmp/x", Path, Path("/tmp/x")),
        ("a", Literal["a", "b"], "a"),
        ("2", Literal[1, 2], 2),
        ("none", Optional[int], None),  # noqa: UP045
        ("3", Optional[int], 3),  # noqa: UP045
        ("NULL", int | None, None),
        ("", str | None, None),
        ("x", str | None, "x"),
        ("3", int | str, 3),
        ("3", str | int, 3),
        ("x", str | int, "x"),
        ("0.5", Union[int, float], 0.5),  # noqa: UP007
        ("a", Optional[Literal["a"]], "a"),  # noqa: UP045
        ("[1, 2]", list, "[1, 2]"),
        ("anything", object, "anything"),
    ],
)
def test_a_value_is_what_the_annotation_names(text, wanted, value):
    found = coerce(text, wanted)
    assert found == value and type(found) is type(value)


@pytest.mark.parametrize(("texts", "value"), [("true True YES on 1", True), ("false False no OFF 0", False)])
def test_truth_is_written_in_several_ways(texts, value):
    assert [coerce(text, bool) for text in texts.split()] == [value] * 5


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("x", int),
        ("1.5", int),
        ("x", float),
        ("maybe", bool),
        ("2", bool),
        ("c", Literal["a", "b"]),
        ("x", int | None),
    ],
)
def test_what_does_not_fit_is_a_value_error(text, wanted):
    with pytest.raises(ValueError):
        coerce(text, wanted)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3", 3),
        ("0.5", 0.5),
        ("true", True),
        ("False", False),
        ("none", None),
        ("cuda:1", "cuda:1"),
        ("", ""),
    ],
)
@pytest.mark.parametrize("wanted", [None, Any])
def test_without_an_annotation_the_first_type_that_fits_is_taken(text, value, wanted):
    found = coerce(text, wanted)
    assert found == value and type(found) is type(value)
