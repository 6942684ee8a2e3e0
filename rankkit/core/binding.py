"""How a user's function or method is called: with the inputs that it asks for by name, a batch at a time.

A signature is read once, when the ranker is built. Ordinary parameters are inputs; keyword-only ones are
options.
"""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from rankkit.core.types import Scored
from rankkit.errors import BadOption, BrokenRanker, DeviceFull, RunStopped

Columns = Mapping[str, list[Any]]
"""What is to be judged: per input (its singular name) one value for every image, or for every pair."""

INPUTS: Mapping[str, Mapping[str, str]] = {
    "pointwise": {"image": "images", "prompt": "prompts", "metadata": "metadata"},
    "two-stage": {"prepared": "prepared", "prompts": "prompts", "metadata": "metadata"},
    "pairwise": {"first": "firsts", "second": "seconds", "prompt": "prompts", "metadata": "metadata"},
}
"""Per kind of ranker the inputs of a function that judges one image or one pair, and of one that judges a
batch. The `score` of two stages is always asked for a batch (`rankkit.core.two_stage`).
"""

_INPUT_NAMES = frozenset(name for pairs in INPUTS.values() for both in pairs.items() for name in both)

RESERVED_OPTIONS = _INPUT_NAMES | {
    *("id", "ids", "names", "group", "groups", "source", "sources"),
    "local_only",
}
"""Names that no option of a ranker may bear.

Today's inputs, those kept for inputs to come, and what `prepare` takes beside the options.
"""

DEVICE_FULL = "device full"  # the failure of an image that did not fit into what was free of a device

RESERVED_DETAILS = frozenset(
    {
        *("error", "failure", "image", "judge", "members", "metadata", "prompt_source", "raw_prompt"),
        *("again", "metadata_hash", "stale", "tokens"),
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
        return self.begin(columns)()

    def begin(self, columns: Columns) -> Callable[[], list[Any]]:
        """Ask as a call does, without waiting for the answers: what is returned gives them.

        There is something to wait for where the function returns one without arguments in place of answers.
        """
        count = len(next(iter(columns.values())))
        if not self.batched or not count:
            return lambda: [self._one(columns, entry) for entry in range(count)]
        try:
            asked = self.function(**{name: list(columns[key]) for key, name in self.names.items()})
        except RunStopped:
            raise
        except Exception as error:
            asked = error
        return lambda: self._finish(columns, count, asked)

    def _finish(self, columns: Columns, count: int, asked: Any) -> list[Any]:
        """The answers of a batch, from what it was answered with, which may be an exception."""
        try:
            if isinstance(asked, Exception):
                raise asked
            entries = "pairs" if "first" in columns else "images"
            return listed(asked() if callable(asked) else asked, count, entries)
        except RunStopped:
            raise
        except Exception as error:
            if count == 1:
                return [self._failed(error, columns, 0)]
        # so that one failure stays one
        return [
            self({key: values[entry : entry + 1] for key, values in columns.items()})[0]
            for entry in range(count)
        ]

    def _one(self, columns: Columns, entry: int) -> Any:
        try:
            return self.function(**{name: columns[key][entry] for key, name in self.names.items()})
        except RunStopped:
            raise
        except Exception as error:
            return self._failed(error, columns, entry)

    def _failed(self, error: Exception, columns: Columns, entry: int) -> Scored:
        prompt = next((columns[name][entry] for name in ("prompt", "prompts") if name in self.names), "")
        full = {"failure": DEVICE_FULL} if isinstance(error, DeviceFull) else {}
        return Scored(math.nan, details={"error": why_failed(error, prompt), **full})


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
        lists = "" if singular == plural else f" (or {', '.join(plural)})"
        raise BrokenRanker(
            f"{name}() takes {strange[0]!r}, which rankkit cannot give: the arguments of a {kind} function "
            f"are {', '.join(singular)}{lists}; options come after a bare *"
        )
    anything = any(p.kind is p.VAR_KEYWORD for p in parameters)
    ones = [each for each in asked if each not in plural]
    batches = [each for each in asked if each not in singular]
    if ones and batches:
        raise BrokenRanker(
            f"{name}() takes both {ones[0]} and {batches[0]}; take either one entry a call or lists"
        )
    batched = kind == "two-stage" or bool(batches) or (anything and not ones)
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


def why_failed(error: BaseException, prompt: str) -> str:
    """An exception that a ranker raised over a prompt in one line, as `describe`.

    Where the prompt is no Unicode, which tokenizers refuse in words about types, that is said.
    """
    said = describe(error)
    half = _HALF.search(prompt)
    if half is None or not isinstance(error, (TypeError, ValueError)):
        return said
    return (
        f"the prompt holds half a character (\\u{ord(half[0]):04x}, character {half.start() + 1}), which "
        f"this ranker cannot read; write the prompt anew ({said})"
    )


_HALF = re.compile("[\ud800-\udfff]")  # a surrogate: of a text that was cut or decoded wrongly


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
        error = None if given.stderr is None else _number(given.stderr)
        if error is None or not error < 0:
            return Scored(score, error, given.details)
        left_out = f"left out: the ranker gave {error}, and no standard error is negative"
        return Scored(score, None, {**given.details, "stderr": left_out})
    shown = repr(answer.score if isinstance(answer, Scored) else answer)[:80]
    reason = given.details.get("error") or f"the ranker returned {shown} instead of a finite number"
    return Scored(math.nan, None, {**given.details, "error": reason})


def _number(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return math.nan
