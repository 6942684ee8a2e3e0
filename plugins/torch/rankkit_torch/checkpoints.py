"""Weights by name: a local file or folder, or a repository on the Hugging Face hub.

Read without running anything they contain.
"""

from __future__ import annotations

import hashlib
import json
import pickle
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import snapshot_download
from safetensors import SafetensorError
from safetensors.torch import load_file

from rankkit.errors import BadOption, BrokenRanker
from rankkit.plugin import reason_of

MODEL_FILES = (
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
)
# files of a folder that can change a score
COUNTED = (".safetensors", ".bin", ".pt", ".pth", ".ckpt", ".json", ".txt", ".model")


def find(
    checkpoint: str,
    *,
    files: Sequence[str] = ("*.safetensors", "*.json", "*.txt"),
    file: str | None = None,
    option: str = "checkpoint",
) -> Path:
    """The file or folder that `checkpoint` names.

    A path as it stands, else a hub id, downloaded (only `files`) or found in the cache.

    With `file`, the one file of that name inside the folder or repository is meant. Raises `BrokenRanker`
    with what to do when a download fails, and `BadOption` for a name that is neither; both call it by the
    name of the ranker's `option`.
    """
    path = Path(checkpoint).expanduser()
    if not path.exists():
        path = _from_hub(checkpoint, [file] if file else list(files), option)
    if file and path.is_dir():
        path = path / file
        if not path.is_file():
            raise BrokenRanker(f"{checkpoint} holds no {file}; give {option}=PATH of the file itself")
    return path


def weights_id(checkpoint: str, option: str = "checkpoint") -> str:
    """What tells these weights from others in a row's version.

    ``sha256:`` of the bytes on disk, or ``owner/name@revision`` on the hub.

    A folder counts its weights, configurations and vocabularies; where it lies and what it is called do not
    matter.
    """
    path = Path(checkpoint).expanduser()
    if path.is_file():
        return f"sha256:{_file_hash(path)[:12]}"
    if path.is_dir():
        parts = sorted(found for found in path.iterdir() if found.is_file() and found.suffix in COUNTED)
        listing = "".join(f"{part.name} {_file_hash(part)}\n" for part in parts)
        return f"sha256:{hashlib.sha256(listing.encode()).hexdigest()[:12]}"
    return f"{checkpoint}@{_revision(checkpoint, option)[:12]}"


def read(path: Path) -> dict[str, torch.Tensor]:
    """Every tensor of a safetensors file, of a torch file, or of a folder with either.

    A torch file is read with `weights_only`: nothing in it is run.

    A torch file may hold them under ``state_dict`` or ``model``. Raises `BrokenRanker` naming a file that is
    damaged or no weights.
    """
    if path.is_dir():
        return _read_folder(path)
    with path.open("rb") as file:
        first = file.read(9)
    if len(first) == 9 and first[8:] == b"{":
        return _read_safetensors(path)
    if first.startswith((b"PK\x03\x04", b"\x80")):
        return _read_torch(path)
    raise BrokenRanker(
        f"{path} is neither a safetensors nor a torch file: it begins with {first!r}; download it again"
    )


def _read_folder(folder: Path) -> dict[str, torch.Tensor]:
    for name in MODEL_FILES:
        path = folder / name
        if not path.is_file():
            continue
        if path.suffix != ".json":
            return read(path)
        shards = sorted(set(json.loads(path.read_text("utf-8"))["weight_map"].values()))
        missing = [shard for shard in shards if not (folder / shard).is_file()]
        if missing:
            raise BrokenRanker(
                f"{folder} lacks {', '.join(missing)}, which its {name} names; download it again"
            )
        return {key: tensor for shard in shards for key, tensor in read(folder / shard).items()}
    raise BrokenRanker(f"{folder} holds no weights; one of {', '.join(MODEL_FILES)} is expected there")


def _read_safetensors(path: Path) -> dict[str, torch.Tensor]:
    try:
        return load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise BrokenRanker(f"{path} is truncated or damaged ({error}); download it again") from None


def _read_torch(path: Path) -> dict[str, torch.Tensor]:
    try:
        with path.open("rb") as file:  # an open file: a name that ends in .safetensors would be believed
            content: Any = torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        reason = re.search(r"Unsupported [\w ]+|GLOBAL \S+", str(error))
        what = f" ({reason.group()})" if reason else ""
        raise BrokenRanker(
            f"{path} is a pickle that is not weights: it holds more than tensors{what}; nothing in it was run"
        ) from None
    except (RuntimeError, EOFError, ValueError, KeyError) as error:
        raise BrokenRanker(
            f"{path} is truncated or damaged ({reason_of(error)}); download it again"
        ) from None
    for wrapping in ("state_dict", "model"):
        if isinstance(content, Mapping) and isinstance(content.get(wrapping), Mapping):
            content = content[wrapping]
    if (
        not isinstance(content, Mapping)
        or not content
        or not all(isinstance(value, torch.Tensor) for value in content.values())
    ):
        raise BrokenRanker(
            f"{path} is a pickle that is not weights: it holds {type(content).__name__}, not tensors by name"
        )
    return dict(content)


def _from_hub(checkpoint: str, files: list[str], option: str) -> Path:
    revision = _revision(checkpoint, option)
    folder = _download(checkpoint, files, revision, option)
    if not any(found.suffix in COUNTED for found in folder.iterdir()):
        raise BrokenRanker(
            f"{checkpoint} is in the cache without its weights, and cannot be downloaded now; "
            f"{_offline(option)}"
        )
    return folder


@lru_cache
def _revision(checkpoint: str, option: str) -> str:
    """The commit of a hub repository: its newest, or the one in the cache where the hub cannot be asked."""
    if not re.fullmatch(r"[\w-][\w.-]*/[\w-][\w.-]*", checkpoint):
        raise BadOption(f"{option}={checkpoint!r} is no file or folder here, and no hub id (owner/name)")
    return _download(checkpoint, ["config.json"], None, option).name


def _download(checkpoint: str, files: list[str], revision: str | None, option: str) -> Path:
    try:
        return Path(snapshot_download(checkpoint, revision=revision, allow_patterns=files))
    except Exception as error:
        # the hub client raises many kinds: no network, no such repository, gated, offline …
        reason = reason_of(error)
        raise BrokenRanker(
            f"{checkpoint} cannot be downloaded ({type(error).__name__}: {reason}); {_offline(option)}"
        ) from None


def _offline(option: str) -> str:
    return (
        f"give {option}=PATH of a copy you have, "
        "or fill the hub cache where there is a network and set HF_HUB_OFFLINE=1"
    )


def _file_hash(path: Path) -> str:
    status = path.stat()
    return _hash_of(path, status.st_size, status.st_mtime_ns)


@lru_cache
def _hash_of(path: Path, size: int, mtime: int) -> str:
    """sha256 of a file that has not changed since: its size and time are part of the question."""
    digest, buffer = hashlib.sha256(), memoryview(bytearray(2**22))
    with path.open("rb", buffering=0) as file:
        while count := file.readinto(buffer):
            digest.update(buffer[:count])
    return digest.hexdigest()
