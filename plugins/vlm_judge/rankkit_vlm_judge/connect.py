"""From options to a model that can be asked: on a server or loaded here, with a budget and a cache."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from typing_extensions import Unpack

from rankkit import RankkitError
from rankkit.errors import BadOption
from rankkit.plugin import with_defaults
from rankkit_vlm_judge.asking import Asker
from rankkit_vlm_judge.budget import Budget, Caps
from rankkit_vlm_judge.cache import Cache, default_path
from rankkit_vlm_judge.calls import Transport
from rankkit_vlm_judge.options import USUAL, Connection, ConnectionOptions, check
from rankkit_vlm_judge.server import Chat, Fields, Server, read_fields


def connect(**given: Unpack[ConnectionOptions]) -> Asker:
    """Whom to ask in words of our own. Checks the options, opens the cache, reaches the model."""
    options = with_defaults(ConnectionOptions, given)
    check(options)
    transport = reach(options, logprobs=options["mode"] != "text")
    return Asker(transport, answers(options), options["mode"], options["max_answer_tokens"], decided(options))


def reach(options: Connection, *, logprobs: bool, local: Callable[..., Transport] | None = None) -> Transport:
    """The model that checked options name, on a server or loaded here by `local`, with its budget.

    `logprobs`: whether its answers are read from log-probabilities.
    """
    budget = Budget(
        Caps(
            options["max_calls"],
            options["max_tokens"],
            options["max_cost"],
            options["price_in"] or 0.0,
            options["price_out"] or 0.0,
        )
    )
    fields = _fields(options)
    if options["url"] is None:
        return _local(options, budget, local)
    server = Server(
        _checked(options["url"]),
        _key(options["api_key_env"]),
        budget,
        options["timeout"],
        options["tries"],
        options["backoff"],
        options["concurrency"],
    )
    chat = Chat(server, options["model"], fields, logprobs=logprobs)
    # from now on: a server that was never there is not waited for
    server.patience, server.known = options["patience"], True
    return chat


def answers(options: Connection) -> Cache:
    """Where answers are kept."""
    return Cache(_path(options["cache"]))


def decided(options: Connection) -> tuple[str, ...]:
    """What decides an answer beside the question and the model: part of what it is kept under."""
    return _fields(options).words


def _fields(options: Connection) -> Fields:
    return Fields(read_fields(options["request"]), options["thinking"])


def _checked(url: str) -> str:
    try:
        parts = urlsplit(url)
    except ValueError:  # brackets that do not close
        raise BadOption("url= is not a web address; write url=http://host:8000/v1") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.fragment:
        shown = "" if set(url) & set("@?#") else repr(url)  # there may be a password in it
        raise BadOption(f"url={shown} is not a web address; write url=http://host:8000/v1")
    secret = re.search(r"(?:^|&)[^=&]*(?:key|token|secret|passw|sig|code)[^=&]*=", parts.query, re.IGNORECASE)
    if parts.username or parts.password or secret:
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
    if not (key.isascii() and key.isprintable()):
        raise RankkitError(
            f"api_key_env={variable} holds characters that no key has, such as a line break: set it anew"
        )
    return key


def _path(cache: str | None) -> Path | None:
    return default_path() if cache == USUAL else None if cache is None else Path(cache).expanduser()


def _local(options: Connection, budget: Budget, local: Callable[..., Transport] | None) -> Transport:
    model = options["model"]
    if model is None:
        raise BadOption(
            "whom to ask? give model=NAME to load a model here, or url=http://host:8000/v1 to ask a server"
        )
    try:
        from rankkit_vlm_judge.local import Local, locate

        return (local or Local)(
            locate(model),
            budget,
            device=options["device"],
            dtype=options["dtype"],
            batch_size=options["batch_size"],
            thinking=options["thinking"],
        )
    except ImportError as error:
        advice = "pip install 'rankkit-vlm-judge[local]'"
        raise RankkitError(
            f"to load {model} here, torch and transformers are needed ({error}): {advice}; or give url="
        ) from None
