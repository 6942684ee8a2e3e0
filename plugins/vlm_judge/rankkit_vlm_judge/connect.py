"""From options to a model that can be asked: on a server or loaded here, with a budget and a cache."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, TypedDict
from urllib.parse import urlsplit

from typing_extensions import Unpack

from rankkit import RankkitError
from rankkit.errors import BadOption
from rankkit.plugin import Default, with_defaults
from rankkit_vlm_judge.asking import Asker, Mode
from rankkit_vlm_judge.budget import Budget
from rankkit_vlm_judge.cache import Cache, default_path
from rankkit_vlm_judge.calls import Transport
from rankkit_vlm_judge.server.chat import Chat
from rankkit_vlm_judge.server.http import Server

USUAL = "usual"  # cache=usual: the file in the user's cache folder


class ConnectionOptions(TypedDict, total=False):
    """Which model is asked, how often, and where answers are kept: options of `vlm-judge` and `vqa`."""

    url: Annotated[str | None, Default(None)]
    """Base URL of an OpenAI-compatible server, http://host:8000/v1; without it the model is loaded here."""

    model: Annotated[str | None, Default(None)]
    """The server's name for the model, not needed where it serves only one; or a folder or hub id to load."""

    mode: Annotated[Mode, Default("auto")]
    """``logprob``, ``text``, or ``auto``: log-probabilities, and text where those say nothing."""

    cache: Annotated[str | None, Default(USUAL)]
    """File that keeps every answer; ``usual`` is in the user's cache folder, None is for one run only."""

    max_calls: Annotated[int | None, Default(None)]
    """Requests that one run may make, retries too; then the run ends and keeps what was judged."""

    max_tokens: Annotated[int | None, Default(None)]
    """Tokens that one run may use, in the same way."""

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


COUNTS = ("max_calls", "max_tokens", "concurrency", "timeout", "tries", "batch_size")


def connect(**given: Unpack[ConnectionOptions]) -> Asker:
    """Check the options, open the cache, reach the model."""
    options = with_defaults(ConnectionOptions, given)
    for name in COUNTS:
        value = options[name]  # type: ignore[literal-required]
        if value is not None and not value > 0:
            raise BadOption(f"{name}={value} is not a positive number")
    budget = Budget(options["max_calls"], options["max_tokens"])
    if options["url"] is None:
        return Asker(_local(options, budget), Cache(_path(options["cache"])), options["mode"])
    server = Server(
        _checked(options["url"]),
        _key(options["api_key_env"]),
        budget,
        options["timeout"],
        options["tries"],
        options["backoff"],
        options["concurrency"],
    )
    answers = Cache(_path(options["cache"]))
    chat = Chat(server, options["model"], logprobs=options["mode"] != "text")
    asker = Asker(chat, answers, options["mode"])
    # from now on: a server that was never there is not waited for
    server.patience, server.known = options["patience"], True
    return asker


def _checked(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise BadOption(f"url={url!r} is not a web address; write url=http://host:8000/v1")
    if parts.username or parts.password:
        raise BadOption(
            "url= holds a password, which rows would repeat; "
            "name the environment variable that holds it: api_key_env=NAME"
        )
    return url


def _key(variable: str | None) -> str | None:
    if variable is None:
        return None
    key = os.environ.get(variable, "").strip()
    if not key:
        raise RankkitError(f"api_key_env={variable}: there is no such environment variable, or it is empty")
    return key


def _path(cache: str | None) -> Path | None:
    return default_path() if cache == USUAL else None if cache is None else Path(cache).expanduser()


def _local(options: ConnectionOptions, budget: Budget) -> Transport:
    model = options["model"]
    if model is None:
        raise BadOption(
            "whom to ask? give model=NAME to load a model here, or url=http://host:8000/v1 to ask a server"
        )
    try:
        from rankkit_vlm_judge.local import Local
    except ImportError as error:
        advice = "pip install 'rankkit-vlm-judge[local]'"
        raise RankkitError(
            f"to load {model} here, torch and transformers are needed ({error}): {advice}; or give url="
        ) from None
    return Local(
        model, budget, device=options["device"], dtype=options["dtype"], batch_size=options["batch_size"]
    )
