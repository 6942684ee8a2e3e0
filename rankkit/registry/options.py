"""The options of a ranker: the keyword-only parameters of its function, or of its class's `__init__`."""

from __future__ import annotations

import difflib
import inspect
import typing
from collections.abc import Mapping
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

from rankkit.errors import BadOption
from rankkit.registry.spec import Spec, coerce


def _signature(target: Any) -> inspect.Signature | None:
    if inspect.isclass(target):
        target = target.__init__
        if target is object.__init__:
            return inspect.Signature()
    try:
        return inspect.signature(target)
    except (TypeError, ValueError):
        return None


def _options(target: Any) -> tuple[dict[str, inspect.Parameter], bool]:
    """The options a target takes (its keyword-only parameters), and whether it takes any others as well."""
    signature = _signature(target)
    if signature is None or (not callable(target)):
        return {}, False
    parameters = signature.parameters.values()
    return {p.name: p for p in parameters if p.kind is p.KEYWORD_ONLY}, any(
        p.kind is p.VAR_KEYWORD for p in parameters
    )


def check_options(name: str, target: Any, given: Mapping[str, Any]) -> None:
    """Raise `BadOption` for an option that a target does not take, and for one that it needs and was not
    given.
    """
    options, others = _options(target)
    for key in given:
        if key not in options and not others:
            near = difflib.get_close_matches(key, options, 1)
            hint = f"did you mean {near[0]}? " if near else ""
            raise BadOption(
                f"{name} has no option {key!r}; {hint}its options: {', '.join(map(_shown, options.values())) or 'none'}"
            )
    missing = [
        key for key, parameter in options.items() if parameter.default is parameter.empty and key not in given
    ]
    if missing:
        raise BadOption(f"{name} needs {', '.join(missing)}: write {name}:{missing[0]}=VALUE")


def coerced(spec: Spec, target: Any) -> dict[str, Any]:
    """The options of a spec as the values that a target wants. Raises `BadOption` for a text that is none."""
    options, _ = _options(target)
    try:
        hints = typing.get_type_hints(target.__init__ if inspect.isclass(target) else target)
    except (
        Exception
    ):  # an annotation that cannot be resolved here says nothing; the default's type still does
        hints = {}
    given = {}
    for key, text in spec.options.items():
        parameter = options.get(key)
        default = (
            None if parameter is None or parameter.default is inspect.Parameter.empty else parameter.default
        )
        wanted = hints.get(key, None if default is None else type(default))
        try:
            given[key] = coerce(text, wanted)
        except ValueError:
            raise BadOption(f"{spec.name}: {key}={text!r} is not {_in_words(wanted)}") from None
    return given


def _in_words(wanted: Any) -> str:
    """An annotation as a person would say it, alike on every Python."""
    if get_origin(wanted) is Literal:
        return "one of " + ", ".join(map(str, get_args(wanted)))
    if get_origin(wanted) in (Union, UnionType):
        return " | ".join("None" if part is type(None) else _in_words(part) for part in get_args(wanted))
    return getattr(wanted, "__name__", None) or str(wanted)


def _shown(parameter: inspect.Parameter) -> str:
    return parameter.name if parameter.default is parameter.empty else f"{parameter.name}={parameter.default}"
