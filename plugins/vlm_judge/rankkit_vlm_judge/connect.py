"""From options to someone who can be asked: a server or a model here, with a budget and a memory."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import urlsplit

from rankkit import RankkitError
from rankkit.errors import BadOption
from rankkit_vlm_judge.asking import Asker, Mode
from rankkit_vlm_judge.budget import Budget
from rankkit_vlm_judge.cache import Cache, default_path
from rankkit_vlm_judge.calls import Transport
from rankkit_vlm_judge.chat import Chat
from rankkit_vlm_judge.http import Server

USUAL = "usual"  # cache=usual: the file in the user's cache folder


def connect(
    *,
    url: str | None,
    model: str | None,
    mode: Mode,
    cache: str | None,
    max_calls: int | None,
    max_tokens: int | None,
    concurrency: int,
    timeout: float,
    tries: int,
    backoff: float,
    patience: float,
    api_key_env: str | None,
    device: str,
    dtype: str,
    batch_size: int,
) -> Asker:
    """Check the options, open the cache, reach the model. The options are those of `VlmJudge`."""
    _positive(
        max_calls=max_calls,
        max_tokens=max_tokens,
        concurrency=concurrency,
        timeout=timeout,
        tries=tries,
        batch_size=batch_size,
    )
    budget = Budget(max_calls, max_tokens)
    if url is None:
        return Asker(_local(model, budget, device, dtype, batch_size), Cache(_path(cache)), mode)
    server = Server(_checked(url), _key(api_key_env), budget, timeout, tries, backoff, concurrency)
    answers = Cache(_path(cache))
    asker = Asker(Chat(server, model, logprobs=mode != "text"), answers, mode)
    server.patience, server.known = (
        patience,
        True,
    )  # from now on: a server that was never there is not waited for
    return asker


def _positive(**options: float | None) -> None:
    for name, value in options.items():
        if value is not None and not value > 0:
            raise BadOption(f"{name}={value} is not a positive number")


def _checked(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise BadOption(f"url={url!r} is not a web address; write url=http://host:8000/v1")
    if parts.username or parts.password:
        raise BadOption(
            "url= holds a password, which rows would repeat; name the environment variable that holds it: api_key_env=NAME"
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


def _local(model: str | None, budget: Budget, device: str, dtype: str, batch_size: int) -> Transport:
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
    return Local(model, budget, device=device, dtype=dtype, batch_size=batch_size)
