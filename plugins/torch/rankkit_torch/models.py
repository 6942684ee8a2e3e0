"""From an empty model and a checkpoint to a model in place: strict about keys, clear about memory."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, ClassVar, TypeVar

import torch
from torch import nn

from rankkit.errors import BadOption, BrokenRanker

T = TypeVar("T")
Model = TypeVar("Model", bound=nn.Module)

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def pick_device(name: str = "auto") -> torch.device:
    """``auto`` is the current GPU where there is one, else the CPU.

    Raises `BadOption` for a device this machine has not.
    """
    if name == "auto":
        return torch.device(
            "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
        )
    try:
        device = torch.device(name)
    except RuntimeError:
        raise BadOption(f"device={name!r} is no device; use auto, cpu, cuda or cuda:1") from None
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise BadOption(
            f"device={name!r} is not here: torch sees {torch.cuda.device_count()} GPUs; use auto or cpu"
        )
    return device


def pick_dtype(name: str, default: str) -> torch.dtype:
    """The dtype of a name; ``auto`` is the ranker's own `default`. Raises `BadOption` for any other."""
    known = DTYPES.get(default if name == "auto" else name)
    if known is None:
        raise BadOption(f"dtype={name!r} is not one of auto, {', '.join(DTYPES)}")
    return known


def sent(tensor: torch.Tensor, device: torch.device, dtype: torch.dtype | None = None) -> torch.Tensor:
    """The tensor on a device, and of another dtype if one is given.

    To a GPU it goes from pinned memory, while the GPU computes what it was asked before: nobody waits for it.
    """
    if device.type == "cuda" and tensor.device.type == "cpu":
        tensor = tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device, dtype or tensor.dtype)


def received(tensor: torch.Tensor) -> Callable[[], torch.Tensor]:
    """The tensor on the CPU, on its way there from now on: what is returned waits for it.

    From a GPU it comes into pinned memory, behind what was asked before it and ahead of what is asked later.
    """
    if tensor.device.type != "cuda":
        return tensor.cpu
    here = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True)
    here.copy_(tensor, non_blocking=True)
    there = torch.cuda.current_stream(tensor.device).record_event()

    def wait() -> torch.Tensor:
        there.synchronize()
        return here

    return wait


@contextlib.contextmanager
def empty() -> Iterator[None]:
    """Within it, models are made without memory for their parameters, which `load_strict` then puts in."""
    from accelerate import init_empty_weights

    with init_empty_weights(include_buffers=False):
        yield


def load_strict(
    model: Model, state: Mapping[str, torch.Tensor], source: object, *, ignore: Iterable[str] = ()
) -> Model:
    """Put a checkpoint into a model, in evaluation mode and without gradients.

    Keys and shapes must fit exactly.

    Keys that end with one of `ignore` are left out where the model has no place for them: buffers that older
    files carry. Raises `BrokenRanker` naming the missing, the unexpected and the misshapen.
    """
    wanted = {key: tuple(value.shape) for key, value in model.state_dict().items()}
    endings = tuple(ignore)
    given = {
        key: value for key, value in state.items() if key in wanted or not (endings and key.endswith(endings))
    }
    refuse(
        source,
        model,
        [key for key in wanted if key not in given],
        [key for key in given if key not in wanted],
        [
            f"{key} {tuple(value.shape)} for {wanted[key]}"
            for key, value in given.items()
            if key in wanted and tuple(value.shape) != wanted[key]
        ],
    )
    model.load_state_dict(given, strict=True, assign=True)
    return model.eval().requires_grad_(False)


def refuse(
    source: object, model: nn.Module, missing: list[str], unexpected: list[str], shaped: list[str]
) -> None:
    """Raise `BrokenRanker` where a checkpoint and a model do not fit: the first three keys of every kind."""
    complaints = [
        _complaint("missing", missing),
        _complaint("unexpected", unexpected),
        _complaint("of another shape", shaped),
    ]
    if any(complaints):
        raise BrokenRanker(
            f"{source} does not fit {type(model).__name__}: "
            f"{'; '.join(filter(None, complaints))}. Is it the checkpoint of another model?"
        )


class _Float32:
    """How many are inside `full_float32`, in all threads, and what was chosen before the first of them."""

    lock, inside = threading.Lock(), 0
    chosen: ClassVar[list[tuple[Any, str, Any]]] = []


@contextlib.contextmanager
def full_float32() -> Iterator[None]:
    """Within it, or in a function it decorates, float32 is float32 on a GPU too.

    Whatever the program around it has chosen.

    PyTorch lets cuDNN's convolutions round their inputs to TF32's 10 bits unless told otherwise, and CLIP's
    first layer is one: scores would then differ from the CPU's by thousandths of their spread, and depend on
    what else is in the batch. The choice is the process', not a thread's: it comes back when the last thread
    has left (as a choice of its own, where it was inherited).
    """
    state = _Float32
    with state.lock:
        if not state.inside:
            state.chosen = []
            for place, name, off in _roundings():
                state.chosen.append((place, name, getattr(place, name)))
                setattr(place, name, off)
        state.inside += 1
    try:
        yield
    finally:
        with state.lock:
            state.inside -= 1
            if not state.inside:
                for place, name, choice in state.chosen:
                    setattr(place, name, choice)


def _roundings() -> list[tuple[Any, str, Any]]:
    """Where PyTorch is set to round float32, by what name, and what turns it off."""
    cuda, cudnn = torch.backends.cuda, torch.backends.cudnn
    # PyTorch 2.9 and later, where the older names cannot be read after the newer ones were set
    if hasattr(cudnn, "conv"):
        return [(cuda.matmul, "fp32_precision", "ieee"), (cudnn.conv, "fp32_precision", "ieee")]
    return [(cuda.matmul, "allow_tf32", False), (cudnn, "allow_tf32", False)]


class LinearHead(nn.Module):
    """Five linear layers without activations, as LAION's aesthetic predictor and ImageReward have."""

    def __init__(self, features: int) -> None:
        super().__init__()
        one, two, three, four, five = (nn.Linear(a, b) for a, b in pairwise((features, 1024, 128, 64, 16, 1)))
        self.layers = nn.Sequential(
            one, nn.Dropout(0.2), two, nn.Dropout(0.2), three, nn.Dropout(0.1), four, five
        )

    def forward(self, features_BD: torch.Tensor) -> torch.Tensor:
        """One score per row of features, (B,)."""
        scores_B1: torch.Tensor = self.layers(features_BD)
        return scores_B1.squeeze(-1)


def batches(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """Consecutive pieces of at most `size` items. Raises `BadOption` for a size below 1."""
    if size < 1:
        raise BadOption(f"batch_size={size} is below 1")
    return (items[start : start + size] for start in range(0, len(items), size))


def _complaint(what: str, keys: list[str]) -> str:
    if not keys:
        return ""
    shown = ", ".join(keys[:3]) + (f" and {len(keys) - 3} more" if len(keys) > 3 else "")
    return f"{len(keys)} {'key is' if len(keys) == 1 else 'keys are'} {what} ({shown})"
