"""Files of ResNet-MAE encoders: ours, and those that the drifting papers' authors publish, by one key map.

========================================  =======================================  ==========================
theirs (flax: H,W,in,out kernels)         ours                                     what
========================================  =======================================  ==========================
``encoder.conv1.kernel``                  ``conv1.weight``, as out,in,H,W          the stem
``encoder.gn1.scale``, ``.bias``          ``gn1.weight``, ``.bias``                its norm
``encoder.stages_S.layers_B.…``           ``stages.S.B.…``                         block B of stage S
``…conv1``, ``gn1``, ``conv2``, ``gn2``   the same                                 convolutions and norms
``…proj_conv``, ``proj_gn``               the same                                 shortcut of a new shape
``encoder.layerN_norm``                   ``norms.(N-1)``                          norm ending stage N
``decoder.…``, ``fc.…``                   left out                                 of training only
========================================  =======================================  ==========================

`read` takes ``ema_params.msgpack`` (Deng et al., arXiv 2602.04770), ``mae_latent_256_torch.pth`` (Jiang et
al., arXiv 2606.02521: the same weights and names) and our own ``.safetensors``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from rankkit import RankkitError
from rankkit.plugin import reason_of

Weights = Mapping[str, Tensor]
RENAMED = (
    (r"stages_(\d+)\.layers_(\d+)\.", r"stages.\1.\2."),
    (r"layer(\d+)_norm\.", lambda found: f"norms.{int(found[1]) - 1}."),
    (r"\.(kernel|scale)$", ".weight"),
)


def read(path: Path) -> dict[str, Tensor]:
    """An encoder's weights by our names, float32."""
    found: Any
    try:
        match path.suffix:
            case ".safetensors":
                found = load_file(path)
            case ".msgpack":
                found = _msgpack(path.read_bytes())
            case _:
                found = torch.load(path, map_location="cpu", weights_only=True)
        weights = translated(dict(_flat(found.get("state_dict", found))))
    except RankkitError:  # a package is missing
        raise
    except Exception as error:  # whatever a damaged file makes these libraries raise
        why = reason_of(error)
        raise RankkitError(f"{path} cannot be read as the weights of a ResNet MAE: {why}") from None
    if (
        "conv1.weight" not in weights
        or weights["conv1.weight"].dim() != 4
        or not weights["conv1.weight"].numel()
    ):
        raise RankkitError(
            f"{path} holds no ResNet MAE: it has no encoder.conv1.kernel of four dimensions; its first names "
            f"are {list(weights)[:3]}"
        )
    return weights


def translated(weights: Weights) -> dict[str, Tensor]:
    """An encoder's weights by our names, whichever names they have; see the table above."""
    plain = {re.sub(r"^((params|module|_orig_mod)\.)+", "", name): value for name, value in weights.items()}
    theirs = any(name.startswith("encoder.") for name in plain)
    ours = {}
    for name, value in plain.items():
        if theirs and not name.startswith("encoder."):
            continue
        value = value.permute(3, 2, 0, 1) if name.endswith(".kernel") else value
        ours[_renamed(name.removeprefix("encoder."))] = value.float().contiguous()
    return ours


def shape(weights: Weights) -> tuple[int, int, tuple[int, ...]]:
    """Latent channels, base channels and blocks per stage, read off the weights."""
    base, channels = weights["conv1.weight"].shape[:2]
    blocks = {
        (int(stage), int(block))
        for name in weights
        for stage, block in re.findall(r"^stages\.(\d+)\.(\d+)\.", name)
    }
    stages = sorted({stage for stage, _ in blocks})
    return channels, base, tuple(sum(stage == each for each, _ in blocks) for stage in stages)


def _renamed(name: str) -> str:
    for pattern, new in RENAMED:
        name = re.sub(pattern, new, name)
    return name


def _flat(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Tensor]]:
    for name, value in tree.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        elif isinstance(value, Tensor):
            yield prefix + name, value


def _msgpack(data: bytes) -> Any:
    """What flax wrote: nested dictionaries whose arrays are extensions of type 1, a packed (shape, dtype,
    bytes).
    """
    try:
        import msgpack
    except ImportError:
        raise RankkitError("reading flax weights (.msgpack) needs msgpack: pip install msgpack") from None

    def array(code: int, packed: bytes) -> Any:
        if code != 1:
            return None
        shape, dtype, content = msgpack.unpackb(packed)
        return torch.frombuffer(bytearray(content), dtype=getattr(torch, dtype)).reshape(shape)

    return msgpack.unpackb(
        data, ext_hook=array, strict_map_key=False, max_ext_len=len(data), max_bin_len=len(data)
    )
