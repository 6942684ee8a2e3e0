"""What a function or method may be asked with.

Its inputs by name, the names it may not use, and one call for a whole batch.

A signature is read once, when the ranker is built. Ordinary parameters are inputs; keyword-only ones are
options.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from rankkit.core.types import Scored
from rankkit.errors import BadOption, BrokenRanker, RunStopped

Columns = Mapping[str, list[Any]]
"""What is to be judged: per input (its singular name) one value for every image, or for every pair."""

INPUTS: Mapping[str, Mapping[str, str]] = {
    "pointwise": {"image": "images", "prompt": "prompts", "metadata": "metadata"},
    "pairwise": {"first": "firsts", "second": "seconds", "prompt": "prompts", "metadata": "metadata"},
}
"""Per kind of ranker the inputs of a function that judges one image or one pair, and of one that judges a
batch.
"""

_INPUT_NAMES = frozenset(name for pairs in INPUTS.values() for both in pairs.items() for name in both)

RESERVED_OPTIONS = _INPUT_NAMES | {
    *("id", "ids", "names", "group", "groups", "prepared", "source", "sources"),
    "local_only",
}
"""Names that no option of a ranker may bear.

Today's inputs, those kept for inputs to come, and what `prepare` takes beside the options.
"""

RESERVED_DETAILS = frozenset(
    {
        *("error", "failure", "image", "judge", "members", "metadata", "prompt_source", "raw_prompt"),
        *("again", "stale", "tokens"),
    }
)
"""Keys of a candidate's `details` that rankkit reads or writes itself; any other key is the ranker's own."""


@dataclass(frozen=True, slots=True)
class Call:
    """A function with the inputs it asks for.

    `names` maps an input's singular name to the parameter that takes it.

    With `batched`, parameters take lists of one length, and the function returns one answer per entry.
    """

    function: Callable[..., Any]
    names: Mapping[str, str]
    batched: bool

    def __call__(self, columns: Columns) -> list[Any]:
        """One answer per entry of the columns.

        A batch that fails, or has a wrong length, is asked entry by entry.
        """
        count = len(next(iter(columns.values())))
        if self.batched and count > 1:
            try:
                return self._batch(columns, 0, count)
            except RunStopped:
                raise
            except Exception:  # so that one failure stays one
                pass
        return [self._single(columns, entry) for entry in range(count)]

    def _batch(self, columns: Columns, start: int, stop: int) -> list[Any]:
        given = {name: columns[key][start:stop] for key, name in self.names.items()}
        entries = "images" if "image" in columns else "pairs"
        return listed(self.function(**given), stop - start, entries)

    def _single(self, columns: Columns, entry: int) -> Any:
        try:
            if self.batched:
                return self._batch(columns, entry, entry + 1)[0]
            return self.function(**{name: columns[key][entry] for key, name in self.names.items()})
        except RunStopped:
            raise
        except Exception as error:
            return Scored(math.nan, details={"error": describe(error)})


def listed(answer: Any, count: int, entries: str) -> list[Any]:
    """What a function of a batch of so many `entries` returned: list, array, tensor or (scores, info).

    Raises `BrokenRanker` for another number of scores and for anything else, such as scores by name: which of
    them counts is not guessed.
    """
    if isinstance(answer, tuple) and len(answer) == 2 and isinstance(answer[1], Mapping):
        answer = answer[0]
    if isinstance(answer, Mapping):
        names = ", ".join(map(str, answer))[:80]
        raise BrokenRanker(f"it returned a mapping ({names}), not a list of scores")
    shape = getattr(answer, "shape", None)
    if isinstance(answer, (str, bytes)) or not isinstance(answer, Iterable) or shape == ():
        raise BrokenRanker(f"it returned {repr(answer)[:80]}, not a list of scores")
    column = shape is not None and len(shape) == 2 and shape[1] == 1
    answers = list(answer.tolist() if hasattr(answer, "tolist") else answer)
    if len(answers) != count:
        raise BrokenRanker(f"it returned {len(answers)} scores for {count} {entries}")
    return [each[0] for each in answers] if column else answers


def bind(function: Callable[..., Any], kind: str) -> Call:
    """The function with the inputs that its ordinary parameters ask for.

    ``**anything`` asks for all, as batches.

    Raises `BrokenRanker` for a parameter that rankkit has no value for, for a mixture of single values and
    batches, and for an ``async`` function; `BadOption` for an option with a reserved name.
    """
    name = getattr(function, "__name__", None) or repr(function)
    asynchronous = (inspect.iscoroutinefunction, inspect.isasyncgenfunction)
    if any(test(function) or test(getattr(function, "func", None)) for test in asynchronous):
        raise BrokenRanker(
            f"{name} is an async function, which rankkit does not await; make it an ordinary one"
        )
    parameters = inspect.signature(function).parameters.values()
    refuse_reserved(name, [p.name for p in parameters if p.kind is p.KEYWORD_ONLY])
    singular, plural = list(INPUTS[kind]), list(INPUTS[kind].values())
    asked = [p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
    strange = [p.name for p in parameters if p.kind is p.POSITIONAL_ONLY]
    ignored = {p.name for p in parameters if inspect.ismethod(function) and p.default is not p.empty}
    strange += [each for each in asked if each not in singular + plural and each not in ignored]
    if strange:
        raise BrokenRanker(
            f"{name}() takes {strange[0]!r}, which rankkit cannot give: the arguments of a {kind} function "
            f"are "
            f"{', '.join(singular)} (or {', '.join(plural)}); options come after a bare *"
        )
    anything = any(p.kind is p.VAR_KEYWORD for p in parameters)
    ones = [each for each in asked if each not in plural]
    batches = [each for each in asked if each not in singular]
    if ones and batches:
        raise BrokenRanker(
            f"{name}() takes both {ones[0]} and {batches[0]}; take either one entry a call or lists"
        )
    batched = bool(batches) or (anything and not ones)
    names = {one: many if batched else one for one, many in INPUTS[kind].items()}
    return Call(function, {one: given for one, given in names.items() if anything or given in asked}, batched)


def refuse_reserved(name: str, options: Iterable[str]) -> None:
    """Raise `BadOption` where an option bears a name of `RESERVED_OPTIONS`.

    Such an option could not be told from the input itself.
    """
    for option in options:
        if option in RESERVED_OPTIONS:
            plain = f", or take {option} as an ordinary parameter, before the bare *"
            raise BadOption(
                f"{name} has an option named {option!r}, a name that rankkit keeps for itself; give the "
                f"option another name{plain if option in _INPUT_NAMES else ''}"
            )


def describe(error: BaseException) -> str:
    """An exception in one line: its type, unless it is one of ours, and its text."""
    if isinstance(error, SystemExit):
        return f"it tried to end the program (SystemExit: {error.code})"
    text = " ".join(str(error).split())
    if isinstance(error, BrokenRanker) and text:
        return text
    return f"{type(error).__name__}: {text}".rstrip(": ")


def scored(answer: object) -> Scored:
    """Whatever a ranker answered, as a finite `Scored` or as an abstention that says why."""
    given = answer if isinstance(answer, Scored) else Scored(_number(answer))
    score = _number(given.score)
    if math.isfinite(score):
        return Scored(score, given.stderr, given.details)
    shown = repr(answer.score if isinstance(answer, Scored) else answer)[:80]
    reason = given.details.get("error") or f"the ranker returned {shown} instead of a finite number"
    return Scored(math.nan, None, {**given.details, "error": reason})


def _number(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return math.nan
