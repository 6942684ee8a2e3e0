"""The options of a ranker: the keyword-only parameters of its function, or of its class's `__init__`.

Options that several rankers share are declared once, in a `TypedDict` whose keys state their defaults, and
taken by each as ``**connection: Unpack[ConnectionOptions]``.
"""

from __future__ import annotations

import difflib
import inspect
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from types import UnionType
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin

from rankkit.core.binding import refuse_reserved
from rankkit.errors import BadOption
from rankkit.registry.spec import Spec, coerce

Shared = TypeVar("Shared")


@dataclass(frozen=True, slots=True)
class Default:
    """The default of a shared option: ``timeout: Annotated[float, Default(60.0)]``."""

    value: Any


def with_defaults(shared: type[Shared], given: Mapping[str, Any]) -> Shared:
    """The options of a `TypedDict`: those that were given, and every other at its stated default.

    Raises `TypeError` for an option that it does not have, as a call does.
    """
    options = _shared_options(shared)
    if strange := given.keys() - options.keys():
        raise TypeError(f"unexpected keyword argument {min(strange)!r}")
    stated = {name: p.default for name, p in options.items() if p.default is not p.empty}
    return cast(Shared, {**stated, **given})


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
    """The options a target takes, shared ones too, and whether it takes any others as well."""
    signature = _signature(target)
    if signature is None or (not callable(target)):
        return {}, False
    parameters = signature.parameters.values()
    options = {p.name: p for p in parameters if p.kind is p.KEYWORD_ONLY}
    for others in (p.name for p in parameters if p.kind is p.VAR_KEYWORD):
        shared = get_args(_hints(target).get(others))  # of Unpack[ConnectionOptions]
        if shared and typing.is_typeddict(shared[0]):
            return {**options, **_shared_options(shared[0])}, False
        return options, True
    return options, False


def _shared_options(shared: type[Any]) -> dict[str, inspect.Parameter]:
    """The keys of a `TypedDict` as keyword-only parameters, with the defaults they state."""
    refuse_reserved(shared.__name__, list(shared.__annotations__))
    options = {}
    for name, hint in typing.get_type_hints(shared, include_extras=True).items():
        stated = [extra.value for extra in get_args(hint)[1:] if isinstance(extra, Default)]
        default = stated[0] if stated else inspect.Parameter.empty
        annotation = get_args(hint)[0] if stated else hint
        options[name] = inspect.Parameter(
            name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation
        )
    return options


def _hints(target: Any) -> dict[str, Any]:
    """The annotations of a target by parameter, as far as they can be resolved from here."""
    try:
        return typing.get_type_hints(target.__init__ if inspect.isclass(target) else target)
    except Exception:  # a name that only a type checker knows: the default's type still says something
        return {}


def check_options(name: str, target: Any, given: Mapping[str, Any]) -> None:
    """Raise `BadOption` for an option that a target does not take, and for a needed one not given."""
    options, others = _options(target)
    for key in given:
        if key not in options and not others:
            near = difflib.get_close_matches(key, options, 1)
            hint = f"did you mean {near[0]}? " if near else ""
            raise BadOption(
                f"{name} has no option {key!r}; {hint}"
                f"its options: {', '.join(map(_shown, options.values())) or 'none'}"
            )
    missing = [
        key for key, parameter in options.items() if parameter.default is parameter.empty and key not in given
    ]
    if missing:
        raise BadOption(f"{name} needs {', '.join(missing)}: write {name}:{missing[0]}=VALUE")


def coerced(spec: Spec, target: Any) -> dict[str, Any]:
    """The options of a spec as the values that a target wants. Raises `BadOption` for a text that is none."""
    options, _ = _options(target)
    hints = _hints(target)
    given = {}
    for key, text in spec.options.items():
        wanted = _wanted(options[key], hints) if key in options else hints.get(key)
        try:
            given[key] = coerce(text, wanted)
        except ValueError:
            raise BadOption(f"{spec.name}: {key}={text!r} is not {_in_words(wanted)}") from None
    return given


def _wanted(option: inspect.Parameter, hints: Mapping[str, Any]) -> Any:
    """The type that an option is read as: its annotation where it resolves, else the type of its default."""
    if option.name in hints:
        return hints[option.name]
    if not isinstance(option.annotation, str) and option.annotation is not option.empty:
        return option.annotation
    known = option.default is not None and option.default is not option.empty
    return type(option.default) if known else None


def _in_words(wanted: Any) -> str:
    """An annotation as a person would say it, alike on every Python."""
    if get_origin(wanted) is Literal:
        return "one of " + ", ".join(map(str, get_args(wanted)))
    if get_origin(wanted) in (Union, UnionType):
        return " | ".join("None" if part is type(None) else _in_words(part) for part in get_args(wanted))
    return getattr(wanted, "__name__", None) or str(wanted)


def _shown(parameter: inspect.Parameter) -> str:
    return parameter.name if parameter.default is parameter.empty else f"{parameter.name}={parameter.default}"
