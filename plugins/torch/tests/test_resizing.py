"""Images resized on the model's device: Pillow's pixels but for a grey level, and never taken for them."""

import importlib

import numpy as np
import pytest
import torch
from PIL import Image

import rankkit
from rankkit.errors import BadOption
from rankkit_torch import cropped_pixels, on_device, whole
from rankkit_torch.clip import HuggingFaceClip
from rankkit_torch.testing import clip_folder, sample_images, score_each, tiny_clip_config

CPU = torch.device("cpu")
LEVEL = 1 / 255 / 0.26  # of normalised pixels
SMOOTH = [Image.fromarray(np.asarray(image)).resize((size, 3 * size // 2 + 5), Image.Resampling.BICUBIC)
          for size, image in zip((40, 97, 224, 300), sample_images()[:4], strict=True)]  # fmt: skip


@pytest.mark.parametrize("place", range(len(SMOOTH)))
def test_pixels_are_those_of_pillow_but_for_a_grey_level(place):
    image = SMOOTH[place]
    pillow = torch.from_numpy(cropped_pixels(image, 56).values)
    (ours,) = on_device([whole(image, 56)], CPU, torch.float32)
    assert ours.shape == pillow.shape and (ours - pillow).abs().max() < 1.1 * LEVEL
    assert whole(image, 56).details == cropped_pixels(image, 56).details


def test_an_image_that_has_the_size_already_is_the_same_to_the_bit():
    image = sample_images()[5]
    assert torch.equal(
        on_device([whole(image, 224)], CPU, torch.float32)[0],
        torch.from_numpy(cropped_pixels(image, 224).values),
    )


def test_a_clip_cuts_out_the_square_that_its_processor_cuts_out(tmp_path):
    folder = str(clip_folder(tmp_path, tiny_clip_config()))
    pillow, device = (
        HuggingFaceClip(folder, folder, device=CPU, dtype=torch.float32, prepare=name)
        for name in ("pil", "gpu")
    )
    for image in SMOOTH:
        for turned in (image, image.transpose(Image.Transpose.ROTATE_90)):
            (ours,) = on_device([device.prepare(turned)], CPU, torch.float32)
            assert np.abs(ours.numpy() - pillow.prepare(turned).values).max() < 1.1 * LEVEL
            assert device.prepare(turned).details == pillow.prepare(turned).details


def test_a_processor_that_does_otherwise_is_refused(tmp_path):
    folder = clip_folder(tmp_path, tiny_clip_config())
    settings = folder / "preprocessor_config.json"
    settings.write_text(settings.read_text().replace('"resample": 3', '"resample": 2'))
    with pytest.raises(BadOption, match="prepare=gpu is bicubic"):
        HuggingFaceClip(str(folder), str(folder), device=CPU, dtype=torch.float32, prepare="gpu")


@pytest.mark.parametrize("name", ["clip", "pickscore", "aesthetic", "imagereward"])
def test_the_option_changes_the_version_and_the_scores_by_little(name, tmp_path):
    case = pytest.importorskip(f"tiny_{name}")
    options = {**case.checkpoint(tmp_path), "device": "cpu"}
    pillow, device = (rankkit.load(name, **options, prepare=prepare) for prepare in ("pil", "gpu"))
    prompts = ["a red fox"] * len(SMOOTH)
    one, two = ([found.score for found in score_each(each, SMOOTH, prompts)] for each in (pillow, device))
    assert np.abs(np.subtract(one, two)).max() < 0.1 * np.std(one)
    versions = [case.build.version(**options, prepare=prepare) for prepare in ("pil", "gpu")]
    assert versions[0].endswith("+pil") and versions[1].endswith("+torch-bicubic")
    with pytest.raises(BadOption, match="prepare"):
        rankkit.load(name, **options, prepare="cpu")


def test_an_architecture_of_open_clip_prepares_by_its_own_transform_alone():
    importlib.import_module("rankkit_clip")
    with pytest.raises(BadOption, match="without model="):
        rankkit.load("clip:model=ViT-B-32,prepare=gpu,device=cpu,checkpoint=" + __file__)
