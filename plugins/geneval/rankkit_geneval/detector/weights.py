"""Where the detector's weights come from: a converted folder, mmdet's file, or the hub.

They are converted once and checked always.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from rankkit.errors import RankkitError
from rankkit.plugin import reason_of
from rankkit_geneval.detector.convert import convert
from rankkit_geneval.vocabulary import CLASSES
from rankkit_torch import quiet

OFFICIAL = "tsbpp/geneval_mask2former"  # on the model hub: a copy of the file below
OFFICIAL_FILE = (
    "mask2former_swin-s-p4-w7-224_lsj_8x2_50e_coco"  # mmdet's name for it, which others extend by a date
)
OFFICIAL_SHA256 = "743b7d99015f1224c6d57fd4b14d04b15cc8ec72ae7ee7831e7c71d8873b7a54"
# never used in a backbone; computed from the window's size
IMPLIED = re.compile(r"\.swin\.layernorm\.|\.relative_position_index$")
STAGES = ["stage1", "stage2", "stage3", "stage4"]


def official_config() -> Any:
    """The architecture of GenEval's detector.

    Mask2Former with Swin-S, 100 queries, 80 labels called as GenEval calls them.
    """
    from transformers import Mask2FormerConfig, SwinConfig

    swin: dict[str, Any] = {
        "embed_dim": 96,
        "depths": [2, 2, 18, 2],
        "num_heads": [3, 6, 12, 24],
        "window_size": 7,
        "out_features": STAGES,
    }
    return Mask2FormerConfig(
        backbone_config=SwinConfig(**swin),
        num_queries=100,
        encoder_layers=6,
        decoder_layers=10,  # nine, and the prediction before them
        encoder_feedforward_dim=1024,
        dim_feedforward=2048,
        id2label=dict(enumerate(CLASSES)),
        label2id={name: index for index, name in enumerate(CLASSES)},
    )


def convert_file(checkpoint: Path, folder: Path, *, config: Any = None) -> str:
    """Convert mmdet's checkpoint file into a folder that `load` takes.

    It is loaded once, to see that nothing is missing.

    Returns the sha256 of the checkpoint. The folder appears only when all is well. `config`: the
    architecture, the official one if None. Raises `RankkitError`: no such file, more than tensors in it,
    tensors of another model, a folder that is not empty.
    """
    from safetensors.torch import save_file

    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise RankkitError(f"{folder} is there already and is not empty; give another folder, or remove it")
    state = convert(read_checkpoint(checkpoint))
    folder.parent.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        digest = sha256(checkpoint)
        save_file(state, part / "model.safetensors", metadata={"format": "pt", "source_sha256": digest})
        (config or official_config()).save_pretrained(part)
        try:
            load(part)
        except RankkitError as error:
            text = str(error).replace(str(part), str(checkpoint))
            raise RankkitError(
                f"{checkpoint} has the names of GenEval's detector, but not its shape: {text}"
            ) from None
        part.chmod(0o755)
        if folder.exists():
            folder.rmdir()
        os.replace(part, folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return digest


def read_checkpoint(path: Path) -> Mapping[str, torch.Tensor]:
    """The state dict in a .pth file, without running any code that the file may hold."""
    if not path.is_file():
        raise RankkitError(f"{path}: no such file; give mmdet's {OFFICIAL_FILE}_….pth")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # pickle, zip and torch each raise their own
        first = reason_of(error)
        raise RankkitError(
            f"{path} cannot be read as weights alone ({type(error).__name__}: {first}); if you trust it, "
            "save its state_dict by itself, "
            "torch.save({'state_dict': …}), in a process of its own, and convert that"
        ) from None
    state = content.get("state_dict", content) if isinstance(content, dict) else content
    if not isinstance(state, Mapping) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise RankkitError(
            f"{path} holds no state dict but {type(state).__name__}; give mmdet's {OFFICIAL_FILE}_….pth"
        )
    return state


def load(name: str | Path, *, dtype: torch.dtype = torch.float32) -> Any:
    """The detector in a converted folder, or of that name on the hub.

    In evaluation mode on the CPU; refused unless every weight fits.
    """
    from transformers import Mask2FormerForUniversalSegmentation

    read: Any = Mask2FormerForUniversalSegmentation.from_pretrained
    try:
        with quiet():
            model, seen = read(str(name), dtype=dtype, output_loading_info=True)
    except Exception as error:  # the hub, its cache and safetensors each raise their own
        first = reason_of(error)
        raise RankkitError(
            f"the detector {name} cannot be loaded ({type(error).__name__}: {first}); {_how()}"
        ) from None
    wrong = {
        what: sorted(name for name in map(str, names) if not IMPLIED.search(name))
        for what, names in seen.items()
    }
    if any(wrong.values()):
        listed = "; ".join(
            f"{what} {', '.join(names[:3])} ({len(names)})" for what, names in wrong.items() if names
        )
        raise RankkitError(
            f"the weights in {name} are not those of the detector: {listed}; convert the checkpoint again"
        )
    if model.config.num_labels != len(CLASSES):
        raise RankkitError(
            f"the detector {name} knows {model.config.num_labels} labels; "
            f"GenEval's knows COCO's {len(CLASSES)}"
        )
    return model.eval()


def resolve(checkpoint: str, *, cache: Path | None = None, config: Any = None) -> tuple[str, str]:
    """What `load` takes, and a short id of the weights for the rows' version.

    mmdet's files are converted once, into the cache.

    `checkpoint`: a converted folder, a .pth file, or a name on the hub. The official name must have the
    official bytes. `cache` and `config`: where converted files are kept, and the architecture of a .pth file;
    the usual and the official if None.
    """
    path = Path(checkpoint).expanduser()
    if path.is_dir():
        return str(path), _weights_id(path)
    official = checkpoint == OFFICIAL
    if official:
        path = _download()
    if not path.is_file():
        return checkpoint, checkpoint
    digest = sha256(path)
    if official and digest != OFFICIAL_SHA256:
        raise RankkitError(
            f"{path} has sha256 {digest[:12]}…, not the official {OFFICIAL_SHA256[:12]}…; "
            "remove it and try again"
        )
    folder = (cache or _cache()) / digest[:16]
    converted = folder / "model.safetensors"
    try:
        if not converted.is_file():
            convert_file(path, folder, config=config)
    except (OSError, RankkitError):
        if not converted.is_file():  # else another process was quicker
            raise
    return str(folder), digest[:8]


def sha256(path: Path) -> str:
    """sha256 of a file's bytes, in hex."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(2**20):
            digest.update(block)
    return digest.hexdigest()


def _weights_id(folder: Path) -> str:
    """A short id of a folder's weights.

    The first digits of the sha256 of the checkpoint it was converted from, else of the weights themselves.
    """
    from safetensors import safe_open

    weights = folder / "model.safetensors"
    if not weights.is_file():
        raise RankkitError(f"{folder} holds no model.safetensors; {_how()}")
    with safe_open(weights, "pt") as file:
        source = (file.metadata() or {}).get("source_sha256")
    return (source or sha256(weights))[:8]


def _download() -> Path:
    from huggingface_hub import hf_hub_download, list_repo_files

    try:
        names = [
            name for name in list_repo_files(OFFICIAL) if name.endswith(".pth") and OFFICIAL_FILE in name
        ]
        return Path(hf_hub_download(OFFICIAL, names[0] if names else f"{OFFICIAL_FILE}.pth"))
    except Exception as error:  # no network, no such repository, offline mode …
        raise RankkitError(
            f"{OFFICIAL} cannot be had from the hub ({type(error).__name__}); {_how()}"
        ) from None


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "rankkit", "geneval")


def _how() -> str:
    return (
        f"get mmdet's {OFFICIAL_FILE}_….pth, run python -m rankkit_geneval convert FILE FOLDER, and name it: "
        "geneval:checkpoint=FOLDER"
    )
