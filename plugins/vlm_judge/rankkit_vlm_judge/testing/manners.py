"""What servers were seen to answer, by name: each is a status with a body, or an answer of the model."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from PIL import Image

Body = Mapping[str, Any]
"""The JSON of a chat request."""


@dataclass(frozen=True)
class Manner:
    """One way to answer a chat request, for those requests for which `when` holds.

    With `body`, JSON or bytes, that is the whole answer. Else the request is answered well, but for `message`
    in place of the model's (``{better}`` and ``{worse}`` in its texts are the labels), which comes without
    log-probabilities, and for what `change` makes of the completion.
    """

    status: int = 200
    body: object = None
    headers: Mapping[str, str] = field(default_factory=dict)
    message: Mapping[str, str | None] | None = None
    finish: str = "stop"
    change: Callable[[dict[str, Any]], object] = lambda completion: None
    when: Callable[[Body], bool] = lambda body: True


def image_urls(body: Body) -> Iterator[str]:
    """The data: URLs of the images in a chat request, in order."""
    for message in body["messages"]:
        parts = message["content"] if isinstance(message["content"], list) else []
        yield from (part["image_url"]["url"] for part in parts if part["type"] == "image_url")


def open_image(url: str) -> Image.Image:
    """The image in a data: URL."""
    return Image.open(io.BytesIO(base64.b64decode(url.split(",")[1])))


def larger_than(side: int) -> Callable[[Body], bool]:
    """Whether an image of a request has a side of more pixels."""
    return lambda body: any(max(open_image(url).size) > side for url in image_urls(body))


def _error(message: str, code: object = None, **more: object) -> dict[str, object]:
    return {"error": {"message": message, "code": code, **more}}


def _says(content: str | None, reasoning: str | None = None, finish: str = "stop") -> Manner:
    return Manner(message={"content": content, "reasoning_content": reasoning}, finish=finish)


def _set_scores(value: Callable[[float], object]) -> Callable[[dict[str, Any]], object]:
    def change(completion: dict[str, Any]) -> None:
        for token in (completion["choices"][0].get("logprobs") or {}).get("content", ()):
            for each in token["top_logprobs"]:
                each["logprob"] = value(each["logprob"])

    return change


NO_MMPROJ = "image input is not supported - hint: if this is unexpected, you may need to provide the mmproj"
TOO_LONG = "This model's maximum context length is 4096 tokens. However, your request has 9241 input tokens."
DECODER = (
    "The decoder prompt (length 9241) is longer than the maximum model length of 4096. Make sure that "
    "`max_model_len` is no smaller than the number of text tokens plus multimodal tokens."
)
PHYSICAL_BATCH = "input is too large to process. increase the physical batch size"
NGINX = b"<html><head><title>413 Request Entity Too Large</title></head><body>nginx</body></html>"
CHOICE = {"error": {"code": 502, "message": "Upstream went away"}, "finish_reason": "error"}

MANNERS: Mapping[str, Manner] = {
    # errors in an answer that bears the status of a good one
    "error-in-200": Manner(
        body={
            "id": "g",
            "object": "chat.completion",
            **_error("Provider returned error", 429, metadata={"raw": "slow down please"}),
        }
    ),
    "error-in-choice": Manner(body={"id": "g", "choices": [CHOICE]}),
    "quota-in-200": Manner(body=_error("You have no credit", "insufficient_quota")),
    # too large a request, in several servers' words; smaller images are judged
    "context-length": Manner(400, _error(TOO_LONG, 400), when=larger_than(200)),
    "decoder-prompt": Manner(400, _error(DECODER, 400), when=larger_than(200)),
    "physical-batch": Manner(500, _error(PHYSICAL_BATCH, 500), when=larger_than(200)),
    "entity-too-large": Manner(413, NGINX, when=larger_than(200)),
    "context-in-200": Manner(body=_error(TOO_LONG, 400), when=larger_than(200)),
    # what no retry can mend
    "no-mmproj": Manner(500, _error(NO_MMPROJ, 500)),
    "no-image-input": Manner(404, _error("No endpoints found that support image input", 404)),
    "one-image-only": Manner(400, _error("At most 1 image(s) may be provided in one prompt.", 400)),
    "unknown-model": Manner(404, _error("The model `brightness-1` does not exist.", 404)),
    # models that think, and how they end
    "thinks-aloud": _says("<think>First impression.\nAnswer: {worse}\nNo.</think>\n\nAnswer: {better}"),
    "thinks-without-opening": _says("Hm.\nAnswer: {worse}\nNo.\n</think>\nAnswer: {better}"),
    "thinks-in-halves": _says("no, wait.\n{worse}\n</think>\n{better}", "First.\nAnswer: {worse}"),
    "answers-in-reasoning": _says("", "<think>{worse}</think>\nAnswer: {better}"),
    "thinks-only": _says(None, "First impression.\nAnswer: {worse}", "length"),
    "boxed": _says("Both are plain. The answer is $\\boxed{{{better}}}$"),
    "final-answer": _says("They differ.\n\nFinal Answer: The better image is {better}."),
    "json": _says('```json\n{{"better_image": "{better}", "reason": "{worse} is dark"}}\n```'),
    "bold": _says("They differ.\n\n**Final Answer:** **Image {better}**"),
    # answers that are none
    "web-page": Manner(body=b"<!DOCTYPE html><html><head><title>Sign in</title></head></html>"),
    "nothing": Manner(body=b""),
    "half-a-body": Manner(body=b'{"choices": [{"message": {"content": "A'),
    "no-choices": Manner(body={"object": "chat.completion", "choices": []}),
    "nested": Manner(body=b"[" * 100_000),
    # answers with something odd in them
    "other-model": Manner(change=lambda completion: completion.update(model="darkness-2")),
    "scores-as-strings": Manner(change=_set_scores(str)),
    "nan-scores": Manner(change=_set_scores(lambda value: float("nan"))),
    "words-for-scores": Manner(change=_set_scores(lambda value: "likely")),
    "words-for-usage": Manner(change=lambda completion: completion.update(usage={"prompt_tokens": "many"})),
    "no-usage": Manner(change=lambda completion: completion.pop("usage")),
}
