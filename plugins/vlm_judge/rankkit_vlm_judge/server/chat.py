"""The OpenAI-compatible transport. One tiny request finds out first what the server can do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import replace
from typing import Any

from PIL import Image

from rankkit import RunStopped
from rankkit_vlm_judge.calls import Call
from rankkit_vlm_judge.images import EncodedImage
from rankkit_vlm_judge.questions import FORCED, Question, which_is_better
from rankkit_vlm_judge.replies import Reply, from_top
from rankkit_vlm_judge.server.body import messages_of, only
from rankkit_vlm_judge.server.completions import read, served_as
from rankkit_vlm_judge.server.failures import NAME_IT, Failed, Hopeless
from rankkit_vlm_judge.server.fields import Fields
from rankkit_vlm_judge.server.http import Server
from rankkit_vlm_judge.server.sizes import Sizes, largest_side, next_smaller

MORE_ROOM = (
    "give the server a longer context (vLLM: --max-model-len; llama-server: --ctx-size), "
    "or set max_side= smaller still"
)
TOP = 20  # how many first tokens are asked for; most servers give no more


class Chat:
    """A model behind ``URL/chat/completions``.

    Raises `RunStopped` when it cannot be reached, entered or shown two images.
    """

    def __init__(self, server: Server, model: str | None, fields: Fields, *, logprobs: bool = True) -> None:
        self.server = server
        self.name = model or self._only_model()
        self.fields = fields
        self.length = "max_tokens"
        self.top = TOP
        self.binds = True  # whether the server takes a JSON schema, until it has refused one
        self.sizes = Sizes()
        self.logprobs = logprobs
        self.served, reply = self._probe()
        self.logprobs = logprobs and from_top(reply, PROBE.labels).outcome == "ok"
        self.reported = bool(reply.top)
        self.model = self.name if self.served in ("", self.name) else f"{self.name} ({self.served})"

    @property
    def changes(self) -> dict[str, object]:
        """The longer side in pixels above which images were made smaller than asked for, if any were."""
        side = self.sizes.smallest
        return {} if side is None else {"shown_at_most": side}

    def replies(self, calls: Sequence[Call]) -> Iterator[tuple[int, Reply]]:
        """Replies as they come, at most `Server.connections` under way.

        Where the run must stop, those under way are awaited first.
        """
        stopped: RunStopped | None = None
        self.server.halt.clear()
        with ThreadPoolExecutor(self.server.connections) as pool:
            futures = {pool.submit(self._reply, call): place for place, call in enumerate(calls)}
            try:
                for future in as_completed(futures):
                    error = future.exception()
                    if isinstance(error, RunStopped):
                        stopped = stopped or error
                    else:
                        yield futures[future], future.result()
            except BaseException:
                self.server.halt.set()
                pool.shutdown(wait=False, cancel_futures=True)
                raise
        if stopped is not None:
            raise stopped

    def _reply(self, call: Call) -> Reply:
        try:
            answer = self._asked(call)
            if (other := served_as(answer)) not in ("", self.served) and self.served:
                why = f"{self.server.url} answered as {other!r}, where {self.served!r} answered at first"
                raise Failed("other_model", why)
            return read(answer)
        except Failed as failure:
            if failure.outcome == "truncated":
                return Reply(finish="length")
            return Reply(failure=failure.outcome, error=str(failure))

    def _asked(self, call: Call) -> Any:
        """The answer.

        With smaller images where the request is too large, and without a schema where the server takes none.
        """
        # decided here, for another thread may learn meanwhile that it does not
        call = replace(call, bound=call.bound and self.binds)
        if (why := self.sizes.given_up(call)) is not None:
            raise Failed("oversized", why)
        side, shrunk, unbound = self.sizes.limit(call.question), False, False
        while True:
            try:
                answer = self._ask(call, side)
            except Failed as failure:
                if failure.outcome == "oversized":
                    side, shrunk = self._smaller(call, side, failure), True
                elif failure.outcome == "rejected" and call.bound:
                    call, unbound = replace(call, bound=False), True
                else:
                    raise
                continue
            if shrunk and side is not None:
                self.sizes.learn(call.question, side)
            self.binds = self.binds and not unbound
            return answer

    def _smaller(self, call: Call, side: int | None, failure: Failed) -> int:
        """The size to try next. Raises `Failed` where images of the smallest size did not fit either."""
        shown, known = largest_side(call.question, side), self.sizes.limit(call.question)
        smaller = known if known is not None and known < shown else next_smaller(shown)
        if smaller is None:
            why = f"{failure}; images of {shown} pixels did not fit: {MORE_ROOM}"
            self.sizes.give_up(call, why)
            raise Failed("oversized", why)
        return smaller

    def _ask(self, call: Call, side: int | None = None) -> Any:
        return self.server.post("/chat/completions", self._body(call, side))

    def _body(self, call: Call, side: int | None) -> dict[str, Any]:
        asked: dict[str, Any] = (
            {"logprobs": True, "top_logprobs": self.top} if call.logprobs and self.top else {}
        )
        if call.bound and isinstance(call.question, Question):
            asked["response_format"] = only(call.question.labels)
        messages = messages_of(call.question, call.form, side)
        return {
            "model": self.name,
            "messages": messages,
            self.length: call.max_tokens,
            **self.fields.now,
            **asked,
        }

    def _only_model(self) -> str:
        try:
            names = self._models()
        except Failed as failure:
            advice = "give model=NAME" if failure.outcome == "rejected" else _advice(failure)
            raise RunStopped(f"{failure}; {advice}") from None
        if len(names) != 1:
            raise RunStopped(
                f"{self.server.url} serves {len(names)} models; name one with model=: "
                f"{', '.join(names[:20]) or 'none'}"
            )
        return names[0]

    def _models(self) -> list[str]:
        try:
            found = [each["id"] for each in self.server.get("/models")["data"]]
            return [name for name in found if isinstance(name, str) and name.isprintable()]
        except (KeyError, TypeError):
            raise RunStopped(
                f"{self.server.url} does not say which models it serves; give model=NAME"
            ) from None

    def _served(self, hopeless: Hopeless) -> str:
        """The models to choose from, where that is the advice and the server says which."""
        if hopeless.advice != NAME_IT:
            return ""
        try:
            return f": {', '.join(self._models()[:20])}"
        except (Failed, RunStopped):
            return ""

    def _probe(self) -> tuple[str, Reply]:
        """Ask about two tiny images, leaving out what the server does not take.

        Returns the name it serves under, and its reply.
        """
        call = Call(PROBE, FORCED, 1, self.logprobs)
        for _ in range(len(self.fields) + 4):
            try:
                answer = self._ask(call)
                self.server.first = self._body(call, None)
                return served_as(answer), _whole(read(answer))
            except Failed as failure:
                if failure.outcome == "truncated":
                    return "", Reply(finish="length")
                if failure.outcome != "rejected" or not self._leave_out(str(failure)):
                    blamed = ", ".join(self.fields.blamed(str(failure)))
                    advice = f"request= sets {blamed}" if blamed else _advice(failure)
                    raise RunStopped(f"{self.name} cannot judge: {failure}; {advice}") from None
            except Hopeless as hopeless:
                raise RunStopped(f"{self.name} cannot judge: {hopeless}{self._served(hopeless)}") from None
        raise RunStopped(
            f"{self.server.url} keeps refusing requests to {self.name}, whatever is left out of them"
        )

    def _leave_out(self, complaint: str) -> bool:
        """Change what a complaint is about; False where there is nothing to change."""
        if "max_completion_tokens" in complaint and self.length == "max_tokens":
            self.length = "max_completion_tokens"
        elif "logprobs" in complaint and self.top:
            self.top = 5 if self.top > 5 else 0
        elif self.length == "max_completion_tokens" and "max_tokens" in complaint:
            return False
        else:
            return self.fields.leave_out(complaint)
        return True


def _advice(failure: Failed) -> str:
    if failure.outcome == "rejected":
        return (
            "it must take two images in one request (vLLM: --limit-mm-per-prompt '{\"image\": 2}'; "
            "llama-server: --mmproj)"
        )
    if failure.advice:
        return failure.advice
    if failure.outcome == "oversized":
        return MORE_ROOM
    if failure.outcome == "rate_limited":
        return "it is asked too often: wait, and lower concurrency="
    if failure.outcome == "timeout":
        return "see whether it is still loading its model, or give it more time with timeout="
    return "see that the server is running and that url= is its base URL, which usually ends in /v1"


PROBE: Question = which_is_better(
    "a plain red square",
    EncodedImage(Image.new("RGB", (64, 64), "red"), 64),
    EncodedImage(Image.new("RGB", (64, 64), "blue"), 64),
)


def _whole(reply: Reply) -> Reply:
    if reply.refusal:
        advice = "ask another model, or see what its content filter lets through"
        raise Failed("refused", f"it refused a first question: {reply.text[:120] or reply.finish!r}", advice)
    # a model that thinks first has no room to answer in one token
    if not reply.text and not reply.top and reply.finish != "length":
        advice = "see that it answers in words: a parser of tool calls or of thoughts may take them"
        raise Failed("transport", "the answer to a first question is empty", advice)
    return reply
