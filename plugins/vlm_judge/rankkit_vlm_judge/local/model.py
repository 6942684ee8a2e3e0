"""A model in this process: the same questions, answered by one forward pass per question, in batches."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForImageTextToText, GenerationConfig

from rankkit import RankkitError, RunStopped
from rankkit_vlm_judge.budget import Budget, Usage
from rankkit_vlm_judge.calls import Call
from rankkit_vlm_judge.local.inputs import Inputs, Prepared, prepare_inputs
from rankkit_vlm_judge.replies import Reply, variants


class Local:
    """A model and tokenizer by hub id or folder. `logprobs` is always true: the logits are here."""

    logprobs = True
    changes: Mapping[str, object] = {}

    def __init__(
        self,
        name: str,
        budget: Budget,
        *,
        device: str = "auto",
        dtype: str = "auto",
        batch_size: int = 8,
        thinking: str = "auto",
    ) -> None:
        self.budget, self.batch_size = budget, batch_size
        self.device = ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device
        auto: Any = AutoModelForImageTextToText
        try:
            net, found = auto.from_pretrained(name, dtype=dtype, output_loading_info=True)
        except (OSError, ValueError) as error:  # no such folder or hub name, no network, no model that sees
            reason = " ".join(str(error).split())[:200]
            raise RankkitError(
                f"model={name} cannot be loaded: {reason}; give a folder or a hub name, or a server's url="
            ) from None
        if found["missing_keys"]:
            missing = ", ".join(sorted(found["missing_keys"])[:3])
            raise RankkitError(
                f"{name} lacks {len(found['missing_keys'])} of its weights ({missing} …); "
                "a judge with random weights is none"
            )
        self.net = net.to(self.device).eval()
        thinks = thinking == "on"
        template = {} if thinking == "auto" else {"enable_thinking": thinks, "thinking": thinks}
        self.inputs: Inputs = prepare_inputs(name, template)
        self.model = f"{name}@{_revision(name, net.config)} {str(net.dtype).removeprefix('torch.')}"
        self._ids: dict[tuple[str, str], dict[str, int]] = {}

    def replies(self, calls: Sequence[Call]) -> Iterator[tuple[int, Reply]]:
        """Replies to calls; those of one form and about one length go together.

        Each is taken out of the budget before its batch is run.
        """
        ready: list[tuple[int, Call, Prepared]] = []
        for place, call in enumerate(calls):
            try:
                ready.append((place, call, self.inputs.prepare(call.question, call.form)))
            except (ValueError, RuntimeError) as error:  # an image or a caption that this model cannot take
                yield place, Reply(failure="rejected", error=f"{type(error).__name__}: {error}")
        ready.sort(key=lambda each: (each[1].logprobs, each[1].max_tokens, each[2].length))
        while ready:
            size = self._claim(ready)
            batch, ready = ready[:size], ready[size:]
            for (place, _, _), reply in zip(batch, self._run(batch), strict=True):
                self.budget.settle(Usage(either=reply.tokens))
                yield place, reply

    def _claim(self, ready: Sequence[tuple[int, Call, Prepared]]) -> int:
        """How many of these can be run together now.

        Of the form of the first, within the batch size and the budget.
        """
        form = (ready[0][1].logprobs, ready[0][1].max_tokens, ready[0][1].question.labels)
        for size, (_, call, _) in enumerate(ready[: self.batch_size]):
            if (call.logprobs, call.max_tokens, call.question.labels) != form:
                return size
            try:
                self.budget.claim()
            except RunStopped:
                if size == 0:
                    raise
                return size
        return min(len(ready), self.batch_size)

    def _run(self, batch: Sequence[tuple[int, Call, Prepared]]) -> list[Reply]:
        """One batch; where memory does not suffice, its halves."""
        answer = self._forced if batch[0][1].logprobs else self._written
        try:
            with torch.inference_mode():
                return answer(batch[0][1], [prepared for _, _, prepared in batch])
        except torch.OutOfMemoryError as error:
            if len(batch) == 1:
                return [
                    Reply(
                        failure="oversized",
                        error=f"{self.device} has too little memory for one question: {error}",
                    )
                ]
        torch.cuda.empty_cache()
        half = len(batch) // 2
        return self._run(batch[:half]) + self._run(batch[half:])

    def _forced(self, call: Call, prepared: Sequence[Prepared]) -> list[Reply]:
        """Log-probabilities of the labels as the next token, by a plain forward pass; softmax in float32."""
        inputs = self.inputs.batch(prepared).to(self.device)
        logits_BV = self.net(**inputs, logits_to_keep=1, use_cache=False).logits[:, -1].float()
        log_BV = logits_BV.log_softmax(-1).cpu()
        ids = self._label_ids(call.question.labels)
        best = [self.inputs.tokenizer.decode([int(index)]) for index in log_BV.argmax(-1)]
        return [
            Reply(
                text,
                tuple((token, float(row[index])) for token, index in ids.items()),
                "length",
                False,
                each.length + 1,
            )
            for row, text, each in zip(log_BV, best, prepared, strict=True)
        ]

    def _written(self, call: Call, prepared: Sequence[Prepared]) -> list[Reply]:
        """Greedy text, whatever sampling and penalties the model's own settings ask for."""
        inputs = self.inputs.batch(prepared).to(self.device)
        made_BL = self.net.generate(**inputs, generation_config=self._greedy, max_new_tokens=call.max_tokens)[
            :, inputs["input_ids"].shape[1] :
        ]
        replies = []
        for row, each in zip(made_BL.tolist(), prepared, strict=True):
            ends = [index for index, token in enumerate(row) if token in self._ends]
            kept = row[: ends[0]] if ends else row
            text = self.inputs.tokenizer.decode(kept, skip_special_tokens=True)
            replies.append(Reply(text, (), "stop" if ends else "length", False, each.length + len(kept)))
        return replies

    def _label_ids(self, labels: tuple[str, str]) -> dict[str, int]:
        """Every variant of a label that is one token here.

        Never the first token of several: that is the start of other words too.
        """
        if labels not in self._ids:
            encoded = {
                each: self.inputs.tokenizer.encode(each, add_special_tokens=False)
                for label in labels
                for each in variants(label)
            }
            # one entry per token
            single = {found[0]: each for each, found in reversed(encoded.items()) if len(found) == 1}
            ids = {each: token for token, each in single.items()}
            for label in labels:
                if not any(each in ids for each in variants(label)):
                    raise RunStopped(
                        f"{self.model} has no single token for {label!r}, "
                        "so it cannot be asked for log-probabilities; use mode=text"
                    )
            self._ids[labels] = ids
        return self._ids[labels]

    @cached_property
    def _ends(self) -> set[int]:
        ends = self.net.generation_config.eos_token_id
        found = [self.inputs.tokenizer.eos_token_id, *(ends if isinstance(ends, list) else [ends])]
        return {int(token) for token in found if token is not None}

    @cached_property
    def _greedy(self) -> GenerationConfig:
        pad = self.inputs.tokenizer.pad_token_id
        settings: Any = GenerationConfig
        made: GenerationConfig = settings(
            do_sample=False,
            eos_token_id=sorted(self._ends),
            pad_token_id=min(self._ends) if pad is None else pad,
        )
        return made


def _revision(name: str, config: object) -> str:
    """The commit of a model from the hub; of a folder, a hash of its weight files' names, sizes and times."""
    folder = Path(name)
    if not folder.is_dir():
        return str(getattr(config, "_commit_hash", None) or "unknown")[:12]
    states = [
        (path.name, path.stat().st_size, path.stat().st_mtime_ns)
        for path in sorted(folder.glob("*.safetensors"))
    ]
    return hashlib.sha256(repr(states).encode()).hexdigest()[:12]
