"""The options that all rankers of this package share, and what makes them impossible."""

from __future__ import annotations

import math
from typing import Annotated, Literal, TypedDict, TypeVar, get_args

from rankkit.errors import BadOption
from rankkit.plugin import Default
from rankkit_vlm_judge.asking import Mode

Thinking = Literal["on", "off", "auto"]
Side = TypeVar("Side", int, int | None)

USUAL = "usual"  # cache=usual: the file in the user's cache folder


class Connection(TypedDict, total=False):
    """Which model is asked, how often, and where answers are kept: options of all rankers here."""

    url: Annotated[str | None, Default(None)]
    """Base URL of an OpenAI-compatible server, http://host:8000/v1; without it the model is loaded here."""

    model: Annotated[str | None, Default(None)]
    """The server's name for the model, not needed where it serves only one; or a folder or hub id to load."""

    max_answer_tokens: Annotated[int, Default(2048)]
    """Tokens that an answer in words may have, thoughts included; 512 at first, all where that is too few."""

    thinking: Annotated[Thinking, Default("auto")]
    """``on`` or ``off``: have a model think before it answers, or not; ``auto`` leaves it as it is."""

    request: Annotated[str | None, Default(None)]
    """A JSON file of further fields for every request to a server; null leaves out a field of ours."""

    cache: Annotated[str | None, Default(USUAL)]
    """File that keeps every answer; ``usual`` is in the user's cache folder, None is for one run only."""

    max_calls: Annotated[int | None, Default(None)]
    """Requests that one run may make, retries too; then the run ends and keeps what was judged."""

    max_tokens: Annotated[int | None, Default(None)]
    """Tokens that one run may use, in the same way."""

    max_cost: Annotated[float | None, Default(None)]
    """Money that one run may use, in the same way, by the tokens that the server counts and both prices."""

    price_in: Annotated[float | None, Default(None)]
    """Price of a million tokens that the model reads, in any currency."""

    price_out: Annotated[float | None, Default(None)]
    """Price of a million tokens that the model writes, in the same currency."""

    concurrency: Annotated[int, Default(16)]
    """Requests under way at once."""

    timeout: Annotated[float, Default(60.0)]
    """Seconds for one request."""

    tries: Annotated[int, Default(6)]
    """How often a request is tried where another try can help."""

    backoff: Annotated[float, Default(0.5)]
    """Seconds of the first pause between tries, on average; it doubles from try to try."""

    patience: Annotated[float, Default(120.0)]
    """Seconds that a server which goes away during the run is waited for."""

    api_key_env: Annotated[str | None, Default(None)]
    """Name of the environment variable that holds the server's key."""

    device: Annotated[str, Default("auto")]
    """Of a model loaded here: ``auto``, ``cpu``, ``cuda`` or ``cuda:1``."""

    dtype: Annotated[str, Default("auto")]
    """Of a model loaded here; ``auto`` is what its files are in."""

    batch_size: Annotated[int, Default(8)]
    """Questions that a model loaded here answers at once."""


class ConnectionOptions(Connection, total=False):
    """Options of `vlm-judge` and `vqa`, which ask in words of our own."""

    mode: Annotated[Mode, Default("auto")]
    """``logprob``, ``text``, or ``auto``: log-probabilities, and text where those say nothing."""


COUNTS = (
    "max_answer_tokens", "max_calls", "max_tokens", "concurrency", "timeout", "tries", "batch_size",
)  # fmt: skip


def check(options: Connection) -> None:
    """Raise `BadOption` for a value that cannot be."""
    for name in COUNTS:
        value = options[name]  # type: ignore[literal-required]
        if value is not None and not value > 0:
            raise BadOption(f"{name}={value} is not a positive number")
    for name, choices in (("mode", get_args(Mode)), ("thinking", get_args(Thinking))):
        given = options.get(name, choices[0])
        if given not in choices:
            raise BadOption(f"{name}={given} is not one of {', '.join(choices)}")
    _check_money(options)
    if options["url"] is None and options["request"] is not None:
        raise BadOption("request= holds fields for a server; give its url=, or leave request= out")


def check_side(pixels: Side) -> Side:
    """The longer side that images are scaled down to. Raises `BadOption` for one that shows nothing."""
    if pixels is not None and pixels < 16:
        raise BadOption(f"max_side={pixels}: images cannot be judged at less than 16 pixels")
    return pixels


def check_degree(degree: int) -> int:
    """How many others an image meets. Raises `BadOption` where no schedule of pairs has that many."""
    if degree < 2 or degree % 2:
        raise BadOption(f"degree={degree} is not an even number from 2 on")
    return degree


def _check_money(options: Connection) -> None:
    cost, *prices = options["max_cost"], options["price_in"], options["price_out"]
    for name, value in zip(("max_cost", "price_in", "price_out"), (cost, *prices), strict=True):
        if value is not None and not 0 <= value < math.inf:
            raise BadOption(f"{name}={value} is not an amount of money")
    if cost is not None and (None in prices or not any(prices)):
        raise BadOption("max_cost= needs the prices of a million tokens: price_in= and price_out=")
    if cost is not None and options["url"] is None:
        raise BadOption("max_cost= is for a server that is paid by the token; leave it out, or give url=")
