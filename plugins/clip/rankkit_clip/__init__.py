"""CLIPScore (Hessel et al. 2021, arXiv 2104.08718) with any CLIP (Radford et al. 2021, arXiv 2103.00020)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal

from PIL import Image

from rankkit import Pointwise, Scored
from rankkit.errors import BadOption, BrokenRanker

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

    from rankkit_torch import Pixels
    from rankkit_torch.clip import Towers

WEIGHTS = "openai/clip-vit-large-patch14"
FILES = ("open_clip_model.safetensors", "open_clip_pytorch_model.bin")


class Clip(Pointwise):
    """Prefer images that show what the prompt says: 100 cos(image, prompt), mostly 15 to 35.

    The range is -100 to 100.

    Without `model`: a CLIP of transformers, from the folder or hub id `checkpoint`; tokenizer and image
    processor from `processor`, if that is elsewhere. With `model`: that architecture of open_clip, its
    weights from the tag `pretrained` or the file `checkpoint`. Prompts are cut at the model's limit (77
    tokens for most) with the end mark kept. Weights by OpenAI get the QuickGELU they need. CLIPScore proper
    is 2.5 times max(cos, 0): the same order, but for what is below 0.

    With `prepare=gpu` images are resized on the device, not by Pillow: other scores by a hair, for training.
    """

    def __init__(
        self,
        *,
        checkpoint: str = "",
        model: str = "",
        pretrained: str = "openai",
        processor: str = "",
        device: str = "auto",
        dtype: str = "auto",
        batch_size: int = 32,
        prepare: Literal["pil", "gpu"] = "pil",
    ) -> None:
        from rankkit_torch import pick_device, pick_dtype

        places: dict[str, Any] = {"device": pick_device(device), "dtype": pick_dtype(dtype, "float32")}
        if model and prepare != "pil":
            raise BadOption("prepare=gpu is for a CLIP of transformers; give checkpoint= without model=")
        self.batch_size = batch_size
        self.towers = (
            _open_clip(model, pretrained, checkpoint, places)
            if model
            else _transformers(checkpoint, processor, {**places, "prepare": prepare})
        )
        self.preparation = self.towers.preparation

    @classmethod
    def version(
        cls,
        *,
        checkpoint: str = "",
        model: str = "",
        pretrained: str = "openai",
        processor: str = "",
        prepare: str = "pil",
        **_: Any,
    ) -> str:
        """The weights' id, the processor's where it is another, and how images are prepared."""
        from rankkit_torch import weights_id
        from rankkit_torch.clip import version_of

        if model:
            return f"{weights_id(checkpoint or _tagged(model, pretrained)[0])}+open_clip"
        weights = checkpoint or WEIGHTS
        return version_of(weights, processor or weights, prepare)

    def prepare(self, image: Image.Image) -> Pixels:
        """What the model sees of one image."""
        return self.towers.prepare(image)

    def embed(self, images: Sequence[Image.Image]) -> NDArray[np.float32]:
        """Unit vectors of images, (images, D), by the image tower: the features that `rankkit fit` takes."""
        from rankkit_torch import embeddings

        return embeddings(self.prepare, self.towers.embed_images, images, self.batch_size)

    def score(self, prepared: Sequence[Pixels], prompts: Sequence[str]) -> Callable[[], list[Scored]]:
        """One score per image and prompt; details hold the prompt's tokens and what was cut of both."""
        from rankkit_torch.clip import cosines

        return cosines(self.towers, prepared, prompts, 100)


def _transformers(checkpoint: str, processor: str, places: dict[str, Any]) -> Towers:
    from rankkit_torch.clip import HuggingFaceClip

    clip = HuggingFaceClip(checkpoint or WEIGHTS, processor or checkpoint or WEIGHTS, **places)
    activations = {clip.config.text_config.hidden_act, clip.config.vision_config.hidden_act}
    if (checkpoint or WEIGHTS).startswith("openai/") and activations != {"quick_gelu"}:
        raise BrokenRanker(
            f"{checkpoint} was trained with QuickGELU and its config.json says "
            f"{' and '.join(sorted(activations))}"
        )
    return clip


def _open_clip(model: str, pretrained: str, checkpoint: str, places: dict[str, Any]) -> Towers:
    from rankkit_torch import find, read
    from rankkit_torch.openclip import OpenClip

    if checkpoint:
        state = _bare(read(_one_file(checkpoint)))
        by_openai = "input_resolution" in state
        return OpenClip(
            model, state, checkpoint, quick_gelu=model.endswith("-quickgelu") or by_openai, **places
        )
    repository, tag = _tagged(model, pretrained)
    state = _bare(read(_one_file(str(find(repository, files=FILES)))))
    return OpenClip(
        model, state, repository, quick_gelu=bool(tag.get("quick_gelu")), preprocessing=tag, **places
    )


def _tagged(model: str, pretrained: str) -> tuple[str, dict[str, Any]]:
    """The hub repository of a pretrained tag, and what open_clip knows of it."""
    from rankkit_torch.openclip import package

    open_clip = package()
    tag: dict[str, Any] = open_clip.get_pretrained_cfg(model, pretrained)
    if not tag:
        known = ", ".join(open_clip.list_pretrained_tags_by_model(model)) or "none"
        raise BadOption(f"open_clip has no pretrained={pretrained!r} for {model}; its tags: {known}")
    if not tag.get("hf_hub"):
        raise BadOption(
            f"{model} pretrained={pretrained!r} is not on the hub; "
            f"download {tag.get('url')} and give checkpoint=FILE"
        )
    return "/".join(str(tag["hf_hub"]).split("/")[:2]), tag


def _one_file(checkpoint: str) -> Any:
    from rankkit_torch import find

    path = find(checkpoint)
    found = [path / name for name in FILES if (path / name).is_file()] if path.is_dir() else [path]
    if not found:
        raise BrokenRanker(f"{checkpoint} holds none of {', '.join(FILES)}; give checkpoint=FILE")
    return found[0]


def _bare(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Keys without the prefix that training on several devices leaves."""
    return {key.removeprefix("module."): value for key, value in state.items()}
