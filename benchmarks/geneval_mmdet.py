"""The detector of rankkit-geneval beside mmdet 2.28.2 itself, at full size, on weights drawn at random:
pixels, logits, detections.

    python -m benchmarks.geneval_mmdet [WIDTHxHEIGHT ...]

To be run in an environment that has both: rankkit with its geneval plugin, and mmdet with the pure Python
part of mmcv, so that neither a compiler nor a GPU is needed (the one compiled operation, deformable
attention, has a Python version in mmcv for CPUs):

    pip install 'setuptools<70' wheel addict yapf==0.40.1 terminaltables pycocotools pyyaml \\
        packaging matplotlib scipy
    MMCV_WITH_OPS=0 pip install --no-build-isolation --no-deps mmcv==1.7.2
    pip install --no-deps mmdet==2.28.2
"""

from __future__ import annotations

import importlib.machinery
import resource
import sys
import tempfile
import time
import types
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from benchmarks.record import record
from rankkit_geneval.detector.mask2former import Mask2Former
from rankkit_geneval.detector.postprocess import instances
from rankkit_geneval.detector.resize import prepare
from rankkit_geneval.detector.weights import convert_file

CONFIG = ".mim/configs/mask2former/mask2former_swin-s-p4-w7-224_lsj_8x2_50e_coco.py"
SIZES = ("512x512", "590x591", "640x427", "1024x1024", "768x1344")
SHARP = 30.0  # class weights are multiplied by this: random ones would make every score alike


class _Compiled(types.ModuleType):
    """Stands where mmcv's compiled operations would be; none of them is called on a CPU."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return lambda *args, **kwargs: sys.exit(f"mmcv's compiled operation {name} was called")


def original(generator: torch.Generator) -> Any:
    """mmdet's own model with drawn weights; nothing is left at 0 or 1, where a mistaken place would not
    show.
    """
    extension = _Compiled("mmcv._ext")
    extension.__spec__ = importlib.machinery.ModuleSpec("mmcv._ext", None)
    sys.modules["mmcv._ext"] = extension
    mmcv, mmdet, models = (importlib.import_module(name) for name in ("mmcv", "mmdet", "mmdet.models"))
    config = mmcv.Config.fromfile(str(Path(mmdet.__file__).parent / CONFIG))
    config.model.backbone.init_cfg = config.model.train_cfg = None
    torch.manual_seed(0)
    model = models.build_detector(config.model)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            noise = torch.randn(weight.shape, generator=generator)
            if "relative_position_bias" in name:
                weight.copy_(0.3 * noise)
            elif weight.ndim == 1 or "sampling_offsets" in name or "attention_weights" in name:
                weight.add_(0.04 * noise)
        model.panoptic_head.cls_embed.weight.mul_(SHARP)
    model.cfg, model.CLASSES = config, None
    return model.eval()


def measure(sizes: list[str]) -> dict[str, Any]:
    """One row per size: how far pixels, logits and scores are from mmdet's, and how many detections have the
    same class and box.
    """
    torch.set_num_threads(1)
    theirs = original(torch.Generator().manual_seed(1))
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        torch.save({"state_dict": theirs.state_dict()}, Path(folder, "m.pth"))
        convert_file(Path(folder, "m.pth"), Path(folder, "converted"))
        ours = Mask2Former(str(Path(folder, "converted")), device="cpu")
        rows = []
        for size in sizes:
            width, height = map(int, size.split("x"))
            blobs = Image.fromarray(
                rng.integers(0, 255, (height // 16 + 2, width // 16 + 2, 3), dtype=np.uint8)
            )
            path = Path(folder, f"{size}.png")
            blobs.resize((width, height), Image.Resampling.BICUBIC).save(path)
            rows.append({"size": size, **_compared(theirs, ours, path)})
            print(rows[-1], flush=True)
    return {"rows": rows, "peak MiB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024}


@torch.no_grad()
def _compared(theirs: Any, ours: Mask2Former, path: Path) -> dict[str, Any]:
    pipelines, apis = (importlib.import_module(name) for name in ("mmdet.datasets.pipelines", "mmdet.apis"))
    data = pipelines.Compose(theirs.cfg.data.test.pipeline)(
        {"img_info": {"filename": str(path)}, "img_prefix": None}
    )
    image = data["img"][0].data  # of a tensor itself, or of mmcv's wrapper around one
    prepared = prepare(Image.open(path).convert("RGB"))
    start = time.perf_counter()
    output = ours.model(pixel_values=torch.from_numpy(prepared.pixels_3HW)[None])
    mine = instances(output.class_queries_logits[0], output.masks_queries_logits[0], prepared)
    seconds = time.perf_counter() - start
    logits: list[Any] = []
    hook = theirs.panoptic_head.register_forward_hook(lambda module, inputs, made: logits.extend(made))
    start = time.perf_counter()
    boxes, _ = apis.inference_detector(theirs, str(path))
    their_seconds = time.perf_counter() - start
    hook.remove()
    classes, masks = logits
    found = [(label, *map(float, row)) for label, rows in enumerate(boxes) for row in rows]
    alike = Counter(each[:5] for each in found) & Counter((label, *each.box) for label, each in mine)
    scores = zip(sorted(each[5] for each in found), sorted(each.score for _, each in mine), strict=True)
    return {
        "pixels differ by": float((image - torch.from_numpy(prepared.pixels_3HW)).abs().max()),
        "class logits differ by": float((classes[-1] - output.class_queries_logits).abs().max()),
        "their spread": float(classes[-1].std()),
        "mask logits differ by": float((masks[-1] - output.masks_queries_logits).abs().max()),
        "masks' spread": float(masks[-1].std()),
        "detections": len(found),
        "of the same class and box": sum(alike.values()),
        "scores differ by": max(abs(a - b) for a, b in scores),
        "seconds": round(seconds, 1),
        "mmdet's seconds": round(their_seconds, 1),
    }


def main() -> None:
    """Measure the sizes that are named, or all."""
    sizes = sys.argv[1:] or list(SIZES)
    record(
        "geneval",
        "detector",
        " ".join(["python -m benchmarks.geneval_mmdet", *sys.argv[1:]]),
        lambda: measure(sizes),
    )


if __name__ == "__main__":
    main()
