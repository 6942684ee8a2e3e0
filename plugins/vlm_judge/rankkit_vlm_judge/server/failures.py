"""What a server's refusals mean: worth another try, this request's own fault, or the end of the run."""

from __future__ import annotations

import email.utils
import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from rankkit import RunStopped
from rankkit.plugin import line_of
from rankkit_vlm_judge.replies import Outcome

LONGEST_ASKED_PAUSE = 120.0  # seconds that are waited where a server names a time
LONGEST_PART = 300  # characters of each part of what a server says that are repeated
KEPT = "What was judged is kept"
UNWELL: tuple[Outcome, ...] = ("transport", "timeout", "rate_limited")
"""Failures that say something of the server; all others are those of one request."""


class Failed(Exception):
    """A request that came to nothing, for good, and what to do about it. The run can go on without it."""

    def __init__(self, outcome: Outcome, text: str, advice: str = "") -> None:
        super().__init__(text)
        self.outcome, self.advice = outcome, advice


class Again(Failed):
    """A request that is worth another try, after so many seconds if the server said so."""

    def __init__(self, outcome: Outcome, text: str, after: float | None = None, advice: str = "") -> None:
        super().__init__(outcome, text, advice)
        self.after = after


class Hopeless(RunStopped):
    """An error that no other try and no other prompt can mend, with what to do about it."""

    def __init__(self, text: str, advice: str) -> None:
        super().__init__(f"{text}; {advice}")
        self.advice = advice


@dataclass(frozen=True)
class HttpAnswer:
    """What came back for one request to the server that is `where`; `key` is kept out of every text."""

    where: str
    key: str | None
    status: int
    headers: Mapping[str, str]
    data: bytes

    @cached_property
    def json(self) -> Any:
        """The body as JSON; None where it is none."""
        charset = re.search(r"charset=[\"']?([\w.:-]{1,40})", self.headers.get("Content-Type", ""))
        try:
            try:
                return json.loads(self.data)
            except UnicodeDecodeError:
                return json.loads(self.data.decode(charset[1])) if charset else None
        except (ValueError, LookupError, RecursionError):
            return None

    @cached_property
    def error(self) -> object:
        """The error that a JSON body holds, whatever its status: its own, or that of its only choice."""
        found = self.json
        if isinstance(found, list) and found and isinstance(found[0], dict):  # as Gemini's
            return found[0].get("error")
        if not isinstance(found, dict):
            return None
        choices = found.get("choices")
        first = choices[0] if isinstance(choices, list) and choices else None
        if isinstance(first, dict) and (first.get("message") or first.get("error")):
            return first.get("error")
        return found.get("error") or (found if found.get("object") == "error" else None)

    @property
    def good(self) -> bool:
        """Whether it is JSON under a status of success and holds no error."""
        return 200 <= self.status < 300 and self.json is not None and not self.error

    @cached_property
    def meant(self) -> int:
        """The status that was meant: that of the error within, where one comes with a status of success."""
        if not (200 <= self.status < 300 and self.error):
            return self.status
        code = self.error.get("code") if isinstance(self.error, dict) else None
        if isinstance(code, (int, str)) and re.fullmatch(r"[45]\d\d", str(code)):
            return int(code)
        return next((status for words, status in _STATUS_OF if re.search(words, self.said, re.I)), 500)

    @cached_property
    def said(self) -> str:
        """The server's words, without the key: message, code and what a provider behind it said."""
        found = self.error or (self.json if isinstance(self.json, dict) else None)
        if isinstance(found, dict):
            about = found.get("metadata")
            raw = about.get("raw") if isinstance(about, Mapping) else None
            parts = [found.get("message"), found.get("detail"), raw, found.get("code"), found.get("type")]
            words = [part if isinstance(part, str) else json.dumps(part) for part in parts if part]
            found = words or [json.dumps(found)]
        texts = found if isinstance(found, list) else [found or self.data.decode("utf-8", "replace")]
        said = " ".join(line_of(str(text), LONGEST_PART) for text in texts) or "nothing"
        return said.replace(self.key, "(the key)") if self.key else said


def exception_of(answer: HttpAnswer) -> Exception:
    """The exception that an answer which is not good deserves."""
    said, status = answer.said, answer.meant
    text = f"{answer.where} answered {_numbered(answer)}: {said}"
    if status not in (401, 402, 403, 407, 408, 409, 425, 429) and (advice := _hopeless(said)):
        return Hopeless(text, advice)
    if status == 403 and _FILTER.search(said):
        return Failed("refused", text)
    after = _seconds(answer.headers.get("Retry-After"))
    if after is not None and after > LONGEST_ASKED_PAUSE:
        text += f"; it says to come again after {after:.0f} seconds, which is not waited for"
    broke = status == 429 and "insufficient_quota" in said
    if (status == 402 and after is None) or broke or _SPENT.search(said):
        return RunStopped(f"{text}; the account has no credit left. {KEPT}")
    if status == 403 and _what(answer.data) == "a web page":
        return RunStopped(
            f"{text}; that page is of a firewall or proxy before the server: see whom it lets in. {KEPT}"
        )
    if status in (401, 403) or (status == 400 and _KEY.search(said)):
        advice = (
            "see that its key is good for this server"
            if answer.key
            else "name the environment variable that holds the key"
        )
        return RunStopped(f"{text}; {advice}: api_key_env=NAME. {KEPT}")
    if status == 407:
        return RunStopped(f"{text}; put the proxy's user and password into its URL, or use none. {KEPT}")
    if status in (404, 405, 410, 421) or 300 <= status < 400:
        return RunStopped(
            f"{text}; give the base URL, which usually ends in /v1, and a model that it serves. {KEPT}"
        )
    if 200 <= status < 300:
        return Again("transport", f"{answer.where} answered {_what(answer.data)} that is not JSON: {said}")
    if status == 413 or (status in (400, 422, 500, 502, 503) and _TOO_LARGE.search(said)):
        return Failed("oversized", text)
    if status >= 500 and _MISSHAPEN.search(said):
        return Failed("rejected", text)
    if status in (402, 408, 409, 425, 429) or status >= 500:
        return Again("rate_limited" if status in (402, 429) else "transport", text, after)
    return Failed(
        "refused" if _FILTER.search(said) else "truncated" if _CUT_OFF.search(said) else "rejected", text
    )


def _numbered(answer: HttpAnswer) -> str:
    number = str(answer.status)
    return number if answer.meant == answer.status else f"{number} with error {answer.meant}"


def _what(data: bytes) -> str:
    if re.match(rb"\s*(?:data|event):", data):
        return "a stream of events, for which nobody asked,"
    return "a web page" if re.match(rb"\s*<(?:!doctype|html)", data, re.I) else "something"


def _hopeless(said: str) -> str | None:
    """What to do about an error that no other try and no other prompt can mend."""
    return next((advice for words, advice in _HOPELESS if re.search(words, said, re.IGNORECASE)), None)


NAME_IT = "give model=NAME of one that it serves"
ANOTHER = "ask a model that takes images: give another model="
_HOPELESS = (
    (r"\bmmproj\b|model projector", "start llama-server with the model's projector: --mmproj FILE"),
    (
        r"at most [01] image|only supports? (?:a single|one|1) image",
        "it must take two images in one request (vLLM: --limit-mm-per-prompt '{\"image\": 2}')",
    ),
    (
        r"unmarshal array into .{0,80}content|invalid message content type|concatenate str \(not .list"
        r"|content\"\].{0,80}valid string|unknown content type:? .{0,2}image",
        "it takes texts only: take a newer version of the server, or one that takes images",
    ),
    (r"must provide a chat template", "give the server the model's chat template (vLLM: --chat-template)"),
    (r"location is not supported", "ask a server that answers where you are"),
    (r"(?:does not|doesn't|not) support (?:image|vision|multi-?modal)(?!s? (?:format|type|url))", ANOTHER),
    (r"images? (?:inputs? |content )?(?:is|are) not (?:supported|allowed)", ANOTHER),
    (r"endpoints found that support image|image_url is only supported|variant `?image_url", ANOTHER),
    (r"is not a (?:multi-?modal|vision)", ANOTHER),
    (r"model[ _]not[ _]found|\b(?:model|deployment)\b.{0,120}\b(?:does not exist|not found)", NAME_IT),
    (r"not a valid model|invalid model name|no models? (?:is |are )?loaded", NAME_IT),
)
_STATUS_OF = (
    ("insufficient_quota|insufficient[ _]credit", 402),
    ("rate[ _-]?limit|too many requests", 429),
    ("invalid_api_key|authentication|unauthori[sz]ed", 401),
    ("invalid_request|bad[ _]?request|context_length_exceeded", 400),
)
_TOO_LARGE = re.compile(
    r"context[ _-]?(?:length|size|window)|n_ctx\b|maximum (?:model|input|prompt|sequence|image) "
    r"|too many (?:\w+ ){0,2}tokens|maximum (?:\w+ )?pixels|string_above_max_length|\bstring (?:is )?too long"
    r"|\b(?:prompt|input|request|images?|payload|body|entity|dimensions?|resolution)\b.{0,60}"
    r"(?:(?<!took )too (?:long|large|big|high)|\bexceed|(?:longer|larger|bigger) than)",
    re.IGNORECASE,
)
_KEY = re.compile(
    r"api[ _-]?key (?:is )?(?:not valid|invalid|expired)|(?:invalid|incorrect) api[ _-]?key", re.I
)
_SPENT = re.compile(r"credit balance is too low|over budget|budget[ _]?exceeded|exceeded ?budget", re.I)
# an image that the model cannot be shown, whatever status says so
_MISSHAPEN = re.compile(
    r"aspect ratio must be|must be larger than factor|do not meet the model restrictions", re.I
)
# of models that think first
_CUT_OFF = re.compile(r"could not finish the message|higher max_(?:completion_)?tokens", re.IGNORECASE)
_FILTER = re.compile(
    r"content[ _](?:filter|policy|management)|moderation|safety system|was flagged", re.IGNORECASE
)


def _seconds(text: str | None) -> float | None:
    """What a Retry-After header asks for: seconds, or a date."""
    if not text:
        return None
    try:
        return max(0.0, float(text))
    except ValueError:
        pass
    try:
        return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError):
        return None
