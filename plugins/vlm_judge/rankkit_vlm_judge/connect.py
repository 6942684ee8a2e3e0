"""From options to a model that can be asked: on a server or loaded here, with a budget and a cache."""

from __future__ import annotations

import os
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
from rankkit_vlm_judge.options import USUAL, ConnectionOptions, check
from rankkit_vlm_judge.server import Chat, Fields, Server, read_fields


def connect(**given: Unpack[ConnectionOptions]) -> Asker:
    """Check the options, open the cache, reach the model."""
    options = with_defaults(ConnectionOptions, given)
    check(options)
    budget = Budget(
        Caps(
            options["max_calls"],
            options["max_tokens"],
            options["max_cost"],
            options["price_in"] or 0.0,
            options["price_out"] or 0.0,
        )
    )
    fields = Fields(read_fields(options["request"]), options["thinking"])
    longest, said = options["max_answer_tokens"], fields.words
    if options["url"] is None:
        local = _local(options, budget)
        return Asker(local, Cache(_path(options["cache"])), options["mode"], longest, said)
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
    chat = Chat(server, options["model"], fields, logprobs=options["mode"] != "text")
    asker = Asker(chat, answers, options["mode"], longest, said)
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
        model,
        budget,
        device=options["device"],
        dtype=options["dtype"],
        batch_size=options["batch_size"],
        thinking=options["thinking"],
    )
