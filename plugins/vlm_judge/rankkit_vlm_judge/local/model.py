"""A model in this process: the same questions, answered by one forward pass per question, in batches."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

from transformers import AutoModelForImageTextToText, GenerationConfig

from rankkit import RankkitError, RunStopped
from rankkit.plugin import reason_of
from rankkit_torch import check_loaded, pick_device
from rankkit_vlm_judge.budget import Budget
from rankkit_vlm_judge.calls import Call
from rankkit_vlm_judge.local.batches import InProcess
from rankkit_vlm_judge.local.inputs import Prepared, prepare_inputs
from rankkit_vlm_judge.local.source import ModelSource
from rankkit_vlm_judge.questions import Asked, Question
from rankkit_vlm_judge.replies import Reply


class Local(InProcess):
    """A model and its tokenizer: any that transformers loads for images and text."""

    def __init__(
        self,
        source: ModelSource,
        budget: Budget,
        *,
        device: str = "auto",
        dtype: str = "auto",
        batch_size: int = 8,
        thinking: str = "auto",
    ) -> None:
        super().__init__(budget, batch_size)
        self.device = pick_device(device)
        auto: Any = AutoModelForImageTextToText
        try:
            net, found = auto.from_pretrained(
                source.place, dtype=dtype, output_loading_info=True, ignore_mismatched_sizes=True
            )
        except (OSError, ValueError) as error:  # no such folder or hub name, no network, no model that sees
            reason = reason_of(error)
            raise RankkitError(
                f"model={source.name} cannot be loaded: {reason}; "
                "give a folder or a hub name, or a server's url="
            ) from None
        check_loaded(net, found, source.name)
        self.net = net.to(self.device).eval()
        thinks = thinking == "on"
        template = {} if thinking == "auto" else {"enable_thinking": thinks, "thinking": thinks}
        self.inputs = prepare_inputs(source.place, template)
        self.model = f"{source.name}@{source.revision(net.config)} {str(net.dtype).removeprefix('torch.')}"
        self._ids: dict[tuple[object, bool], dict[str, int]] = {}

    def _forced(self, calls: Sequence[Call], prepared: Sequence[Prepared]) -> list[Reply]:
        """Log-probabilities of the answers as the next token, by a plain forward pass; softmax in float32."""
        inputs = self.inputs.batch(prepared).to(self.device)
        logits_BV = self.net(**inputs, logits_to_keep=1, use_cache=False).logits[:, -1].float()
        log_BV = logits_BV.log_softmax(-1).cpu()
        best = [self.inputs.tokenizer.decode([int(index)]) for index in log_BV.argmax(-1)]
        return [
            Reply(
                text,
                tuple((token, float(row[index])) for token, index in self._ids_of(call.question).items()),
                "length",
                False,
                each.length + 1,
            )
            for call, row, text, each in zip(calls, log_BV, best, prepared, strict=True)
        ]

    def _written(self, calls: Sequence[Call], prepared: Sequence[Prepared]) -> list[Reply]:
        """Greedy text, whatever sampling and penalties the model's own settings ask for."""
        inputs = self.inputs.batch(prepared).to(self.device)
        longest = calls[0].max_tokens
        made_BL = self.net.generate(**inputs, generation_config=self._greedy, max_new_tokens=longest)
        made_BL = made_BL[:, inputs["input_ids"].shape[1] :]
        replies = []
        for row, each in zip(made_BL.tolist(), prepared, strict=True):
            ends = [index for index, token in enumerate(row) if token in self._ends]
            kept = row[: ends[0]] if ends else row
            text = self.inputs.tokenizer.decode(kept, skip_special_tokens=True)
            replies.append(Reply(text, (), "stop" if ends else "length", False, each.length + len(kept)))
        return replies

    def _ids_of(self, question: Asked) -> dict[str, int]:
        """The token of every answer that is asked for; of several ways to write one token, the first.

        An answer of several tokens has none, unless the question says so: the first of them is the start of
        other words too. Raises `RunStopped` where none of the ways to give an answer has one.
        """
        answers = question.answers
        if (answers, question.cut) not in self._ids:
            encoded = [
                {each: self.inputs.tokenizer.encode(each, add_special_tokens=False) for each in ways}
                for ways in answers
            ]
            for ways in encoded:
                if not question.cut and not any(len(found) == 1 for found in ways.values()):
                    raise RunStopped(
                        f"{self.model} has no single token for {next(iter(ways))!r}, "
                        "so it cannot be asked for log-probabilities"
                        + ("; use mode=text" if isinstance(question, Question) else "")
                    )
            # one entry per token
            single = {
                found[0]: each
                for ways in reversed(encoded)
                for each, found in reversed(ways.items())
                if len(found) == 1 or (found and question.cut)
            }
            self._ids[answers, question.cut] = {each: token for token, each in single.items()}
        return self._ids[answers, question.cut]

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
