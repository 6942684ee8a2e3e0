"""Fields of a request beside its messages: sampling, thinking, and those of the user's own file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

from rankkit.errors import BadOption

LARGEST = 2**16  # bytes of the user's file
# said in full: servers have defaults of their own
SAMPLING: Mapping[str, object] = {"temperature": 0, "top_p": 1, "repetition_penalty": 1, "seed": 0}
THINKING: Mapping[str, Mapping[str, object]] = {
    "auto": {},
    "on": {
        "chat_template_kwargs": {"enable_thinking": True, "thinking": True},
        "reasoning_effort": "medium",
    },
    "off": {
        "chat_template_kwargs": {"enable_thinking": False, "thinking": False},
        "reasoning_effort": "none",
    },
}
"""What servers take for thinking: the chat template's own switches, or OpenAI's."""

OURS: Mapping[str, str] = {
    "messages": "they are the questions; criteria= is the part that can be worded otherwise",
    "model": "give model=",
    "max_tokens": "give max_answer_tokens=",
    "max_completion_tokens": "give max_answer_tokens=",
    "logprobs": "give mode=",
    "top_logprobs": "give mode=",
    "response_format": "it is set where a model will not decide",
    "stream": "answers are read whole",
    "n": "one answer is read",
}
"""Fields that a user's file may not set, and what to do instead."""


class Fields:
    """The fields of every request: ours, of which a server need not take all, and the user's, which stay.

    `given` are the user's, of which None leaves out one of ours.
    """

    def __init__(self, given: Mapping[str, Any], thinking: str = "auto") -> None:
        self.given, self.thinking = given, thinking
        self._ours = {**SAMPLING, **THINKING[thinking]}

    @property
    def words(self) -> tuple[str, ...]:
        """What decides an answer beside the question: part of what it is kept under."""
        told = json.dumps(self.given, sort_keys=True)
        request = (f"request {hashlib.sha256(told.encode()).hexdigest()[:8]}",) if self.given else ()
        return (*(() if self.thinking == "auto" else (f"thinking {self.thinking}",)), *request)

    @property
    def now(self) -> dict[str, Any]:
        """All fields that are sent at present."""
        found = {**self._ours}
        for name, value in self.given.items():
            ours = found.get(name)
            found[name] = {**ours, **value} if isinstance(ours, dict) and isinstance(value, dict) else value
        return {name: value for name, value in found.items() if value is not None}

    def leave_out(self, complaint: str) -> bool:
        """Leave out those of ours that a complaint names; whether there were any.

        Raises `BadOption` where no field is left that would say whether to think.
        """
        named = [name for name in self._ours if name in complaint and name not in self.given]
        for name in named:
            del self._ours[name]
        if named and self.thinking != "auto" and not self._ours.keys() & THINKING["on"].keys():
            raise BadOption(
                f"thinking={self.thinking} cannot be had: the server takes neither chat_template_kwargs nor "
                f"reasoning_effort for this model ({complaint}); leave thinking= out, or give the server's "
                "own field with request=FILE.json"
            )
        return bool(named)

    def blamed(self, complaint: str) -> list[str]:
        """The user's own fields that a complaint names."""
        return [name for name in self.given if name in complaint]

    def __len__(self) -> int:
        return len(self._ours)


def read_fields(file: str | None) -> dict[str, Any]:
    """The JSON object in a user's file; empty without a file. Raises `BadOption` where it cannot be used."""
    if file is None:
        return {}
    try:
        with Path(file).expanduser().open("rb") as opened:
            data = opened.read(LARGEST + 1)
        if len(data) > LARGEST:
            raise BadOption(
                f"request={file} has more than {LARGEST} bytes; it holds fields of a request only"
            )
        found = json.loads(data, parse_constant=_no_number)
    except OSError as error:
        raise BadOption(f"request={file} cannot be read: {error.strerror or error}") from None
    except (ValueError, RecursionError) as error:
        raise BadOption(f'request={file} is not JSON: {error}; write {{"top_k": 1}}') from None
    if not isinstance(found, dict):
        raise BadOption(f'request={file} holds no JSON object; write {{"top_k": 1}}')
    for name in found.keys() & OURS.keys():
        raise BadOption(f"request={file} may not set {name!r}: {OURS[name]}")
    return found


def _no_number(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no number of JSON")
