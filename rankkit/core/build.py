"""What somebody wrote, a class, a function or a finished ranker, made into a ranker that can be asked."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from rankkit.core.binding import bind, refuse_reserved
from rankkit.core.stated import (
    batch_size_of,
    check_stated,
    degree_of,
    function_kind,
    prepare_of,
    prior_of,
    two_stages,
)
from rankkit.core.types import Kind, Ranker
from rankkit.errors import BadOption, BrokenRanker

if TYPE_CHECKING:
    pass
from rankkit.core.rankers import Pairwise, Pointwise


def build(target: object, /, **options: Any) -> Ranker:
    """Make a ranker of a class, a function (marked or with the names above) or something that ranks already.

    Raises `BrokenRanker` when `target` is none of these, and where `check_target` does.
    """
    check_target(target)
    ranker: object = target
    if inspect.isclass(target):
        ranker = target(**options)
    elif callable(target) and not hasattr(target, "rank"):
        ranker = _from_function(target, options)
    elif options:
        raise BrokenRanker(f"{target!r} is built already and takes no options ({', '.join(options)})")
    if not isinstance(ranker, Ranker):
        raise BrokenRanker(
            f"{target!r} has no rank(groups); subclass rankkit.Pointwise or Pairwise, or mark a function "
            f"with @rankkit.pointwise"
        )
    _check_attributes(ranker)  # once more: __init__ may have set them
    return ranker


def check_target(target: object) -> None:
    """Raise `BrokenRanker` or `BadOption` for a class or a function that is wrong before it is built.

    That is: inputs that rankkit cannot give, an ``async`` function, options with reserved names, attributes
    of a wrong type.
    """
    _check_attributes(target)
    if inspect.isclass(target):
        options = (
            inspect.signature(target.__init__).parameters.values()
            if target.__init__ is not object.__init__
            else ()
        )
        refuse_reserved(target.__name__, [p.name for p in options if p.kind is p.KEYWORD_ONLY])
        for base, method in ((Pointwise, "score"), (Pairwise, "compare"), (object, "rank")):
            if issubclass(target, base) and inspect.iscoroutinefunction(getattr(target, method, None)):
                raise BrokenRanker(
                    f"{target.__name__}.{method} is an async function, which rankkit does not await; make it "
                    f"an ordinary one"
                )
    elif callable(target) and not hasattr(target, "rank"):
        bind(target, _function_kind(target))


def _check_attributes(target: object) -> None:
    check_stated(target)
    if isinstance(target, Pointwise) and two_stages(target):
        prepare_of(target)
        batch_size_of(target)
    if isinstance(target, Pairwise) or (inspect.isclass(target) and issubclass(target, Pairwise)):
        degree_of(target)
        prior_of(target)


def _from_function(function: Callable[..., Any], options: Mapping[str, Any]) -> Ranker:
    name = getattr(function, "__name__", repr(function))
    refuse_reserved(name, list(options))
    bound = functools.partial(function, **options)
    try:
        inspect.signature(bound)
    except ValueError:  # which does not say more
        raise BadOption(
            f"{name}{inspect.signature(function)} has no such option: {', '.join(options)}"
        ) from None
    if _function_kind(function) == "pointwise":
        scorer = Pointwise()
        setattr(scorer, "score", bound)  # noqa: B010  (mypy refuses to assign to a method)
        return scorer
    judge = Pairwise()
    setattr(judge, "compare", bound)  # noqa: B010
    return judge


def _function_kind(function: Callable[..., Any]) -> Kind:
    kind = function_kind(function)
    if kind is None:
        name = getattr(function, "__name__", repr(function))
        raise BrokenRanker(
            f"{name}{inspect.signature(function)} is no ranker: name its arguments image, prompt, metadata "
            f"(or first, second, …)"
        )
    return kind
