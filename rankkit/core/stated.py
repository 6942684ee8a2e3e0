"""What the framework reads off a ranker: `kind`, `needs_prompt` and `version`; off a `Pairwise` `degree` and
`prior`; off one in two stages `prepare`, `preparation` and `batch_size`; `embed` where there are embeddings;
`reads_metadata`; `metadata_images`, the keys of metadata that name images, and `folder`, where their paths
start; `of_rankers`, the options that are rankers themselves.

A ranker may be a built one, or the class or function it is made of. No other module reads these attributes:
each function here gives a value of the stated type, or raises a `BrokenRanker` that names the attribute, its
value and what is expected. A property of a class has no value before the ranker is built, and counts as not
stated until then.
"""

from __future__ import annotations

import functools
import inspect
import math
import os
from collections.abc import Callable, Mapping, Sequence
from numbers import Integral, Real
from typing import Any, get_args

from rankkit.core.binding import describe
from rankkit.core.named import NamedImages
from rankkit.core.types import Kind
from rankkit.errors import BrokenRanker, RankkitError

DEGREE = 8  # images that each meets in a group too large for every pair
PRIOR = 0.1  # precision of the Gaussian prior on utilities
BATCH_SIZE = 32  # images that a ranker in two stages scores at once
_ABSENT = object()


def check_stated(target: object) -> None:
    """Raise `BrokenRanker` where `kind`, `needs_prompt` or `version` is not what it should be."""
    kind_of(target)
    needs_prompt(target)
    reads_metadata(target)
    metadata_images(target)
    _version(target)


def kind_of(target: object) -> Kind:
    """Whether a ranker, a class or a function is pointwise, pairwise or listwise.

    It is listwise when it says nothing.
    """
    if inspect.isfunction(target) or isinstance(target, functools.partial):
        return function_kind(target) or "listwise"
    stated = _read(
        target, "kind", lambda value: value in get_args(Kind), f"one of {', '.join(get_args(Kind))}"
    )
    return "listwise" if stated is None else stated


def needs_prompt(target: object) -> bool:
    """Whether a ranker, a class or a function cannot do without a prompt.

    An attribute `needs_prompt` decides where there is one. Else it asks for a prompt and has no default for
    it.
    """
    stated = _read(
        target, "needs_prompt", lambda value: value is None or isinstance(value, bool), "True or False"
    )
    if stated is not None:
        return bool(stated)
    asks = getattr(target, "score", None) or getattr(target, "compare", None) or target
    if not callable(asks):
        return False
    parameters = inspect.signature(asks).parameters
    return any(
        name in parameters and parameters[name].default is inspect.Parameter.empty
        for name in ("prompt", "prompts")
    )


def reads_metadata(target: object) -> bool:
    """Whether what a ranker, a class or a function says of an image may depend on the image's metadata.

    An attribute `reads_metadata` decides where there is one, else the signature of its `score` or `compare`;
    one that only ranks groups may read what a group holds.
    """
    stated = _read(target, "reads_metadata", lambda value: isinstance(value, bool), "True or False")
    if stated is not None:
        return bool(stated)
    asks = getattr(target, "score", None) or getattr(target, "compare", None) or target
    if not callable(asks) or (asks is target and hasattr(target, "rank")):
        return True
    parameters = inspect.signature(asks).parameters
    return "metadata" in parameters or any(p.kind is p.VAR_KEYWORD for p in parameters.values())


def metadata_images(target: object, folder: object = None) -> tuple[NamedImages, ...]:
    """The keys of metadata whose values are images or paths of such, each with the folder where paths start.

    An attribute `metadata_images` names them; the folder is the option `folder`, where a ranker has it.
    """
    stated = _read(target, "metadata_images", _are_named, 'keys, such as ("source",)')
    folder = getattr(target, "folder", None) if folder is None else folder
    start = os.fsdecode(folder) if isinstance(folder, (str, os.PathLike)) else ""
    return tuple(NamedImages(key, start) if isinstance(key, str) else key for key in stated or ())


def metadata_of(members: Sequence[object]) -> tuple[bool, tuple[NamedImages, ...]]:
    """What several rankers read of metadata together: whether any of it, and which images it names."""
    named = dict.fromkeys(each for member in members for each in metadata_images(member))
    return any(map(reads_metadata, members)), tuple(named)


def of_rankers(target: object) -> tuple[str, ...]:
    """The options of a ranker that are rankers themselves: a text names one, and it is given built."""
    stated = _read(target, "of_rankers", _are_keys, 'names of options, such as ("by",)')
    return tuple(stated or ())


def version_of(target: object, options: Mapping[str, Any] | None) -> str | None:
    """What a ranker says of its own version, None where it says nothing.

    That is a string, or what a class method answers when it is given the options (which weights they name);
    it loads none. Where nobody knows the options that a ranker was built with (None), one whose version
    depends on them has none.
    """
    stated = _version(target)
    if not callable(stated):
        return stated
    if options is None and inspect.signature(stated).parameters:
        return None
    try:
        answer = stated(**(options or {}))
    except RankkitError:
        raise
    except (Exception, SystemExit) as error:
        raise BrokenRanker(f"{_name(target)} cannot tell its version: {describe(error)}") from error
    if answer is None or isinstance(answer, str):
        return answer
    raise BrokenRanker(f"{_name(target)}.version() returned {_shown(answer)}; it returns a string")


def degree_of(target: object) -> int:
    """How many others an image meets in a group too large for every pair."""
    stated = _read(target, "degree", _is_degree, f"an even whole number from 2 on, such as {DEGREE}")
    return DEGREE if stated is None else int(stated)


def prior_of(target: object) -> float:
    """The precision of the Gaussian prior on the utilities of compared images."""
    stated = _read(target, "prior", _is_prior, f"a finite number above 0, such as {PRIOR}")
    return PRIOR if stated is None else float(stated)


def two_stages(target: object) -> bool:
    """Whether the `score` of a ranker, or of its class, asks for what `prepare` made of the images."""
    score = getattr(target, "score", None)
    if not callable(score):
        return False
    asked = inspect.signature(score).parameters.get("prepared")
    return asked is not None and asked.kind is asked.POSITIONAL_OR_KEYWORD


def prepare_of(target: object) -> Callable[[Any], Any]:
    """The first of a ranker's two stages. Raises `BrokenRanker` where there is none."""
    prepare: Callable[[Any], Any] | None = getattr(target, "prepare", None)
    if not callable(prepare) or inspect.iscoroutinefunction(prepare):
        raise BrokenRanker(
            f"{_name(target)}.score asks for prepared, and its prepare is {_shown(prepare)}; define "
            f"prepare(image), an ordinary method that makes of an image what the model sees"
        )
    return prepare


def preparation_of(target: object) -> str | None:
    """What its preparation is known by: those of a run that state the same prepare an image once.

    None where it says nothing, and shares with nobody.
    """
    return _read(target, "preparation", lambda value: isinstance(value, str | None), "a string that says how")


def embed_of(ranker: object) -> Callable[[Any], Any] | None:
    """What a ranker gives of images beside scores, ``embed(images)``: an array (images, D). Or None."""
    embed: Callable[[Any], Any] | None = getattr(ranker, "embed", None)
    return embed if callable(embed) else None


def batch_size_of(target: object) -> int:
    """How many images a ranker in two stages scores at once."""
    stated = _read(target, "batch_size", _is_count, f"a whole number from 1 on, such as {BATCH_SIZE}")
    return BATCH_SIZE if stated is None else int(stated)


def function_kind(function: Callable[..., Any]) -> Kind | None:
    """Whether a function is marked, or else named by its arguments, as pointwise or pairwise."""
    marked: Kind | None = getattr(function, "__rankkit__", None)
    if marked is not None:
        return marked
    parameters = inspect.signature(function).parameters.values()
    names = {p.name for p in parameters if p.kind is not p.KEYWORD_ONLY}
    if names & {"first", "firsts"}:
        return "pairwise"
    return "pointwise" if names & {"image", "images"} else None


def _version(target: object) -> str | Callable[..., object] | None:
    expected = "a string, or a class method of the options that returns one"
    return _read(target, "version", lambda value: isinstance(value, str | None) or callable(value), expected)


def _read(target: object, attribute: str, fits: Callable[[Any], bool], expected: str) -> Any:
    """The attribute's value, None where the ranker does not state it."""
    value = getattr(target, attribute, _ABSENT)
    if value is _ABSENT or isinstance(value, (property, functools.cached_property)):
        return None
    if not fits(value):
        raise BrokenRanker(f"{_name(target)} has {attribute} = {_shown(value)}; it is {expected}")
    return value


def _is_degree(value: object) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool) and int(value) in range(2, 2**31, 2)


def _is_prior(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool) and 0 < float(value) < math.inf


def _are_keys(value: object) -> bool:
    return isinstance(value, (tuple, list)) and all(isinstance(key, str) and key for key in value)


def _are_named(value: object) -> bool:
    # a panel states what its members read
    return _are_keys(value) or (isinstance(value, tuple) and all(isinstance(n, NamedImages) for n in value))


def _is_count(value: object) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool) and int(value) > 0


def _shown(value: object) -> str:
    return " ".join(repr(value).split())[:80]


def _name(target: object) -> str:
    return str(getattr(target, "__name__", None) or type(target).__name__)
