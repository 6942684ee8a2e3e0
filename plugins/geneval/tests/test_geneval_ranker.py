"""The ranker, with a detector of drawn images and with the real architecture on random weights."""

import json
import math
import resource
import subprocess
import sys
import time

import pytest
import torch
from geneval_fakes import Blocks, MeanColor, drawn
from geneval_mmdet import inverse, tiny_config
from PIL import Image
from safetensors.torch import load_file
from transformers import Mask2FormerForUniversalSegmentation

import rankkit
from rankkit import Group, RankkitError
from rankkit.testing import check_ranker
from rankkit_geneval import prompts
from rankkit_geneval.detector.mask2former import CLASSES, Mask2Former, check_canary
from rankkit_geneval.detector.postprocess import Instance
from rankkit_geneval.detector.weights import convert_file, official_config
from rankkit_geneval.ranker import Judged, find_metadata
from rankkit_torch import pick_device

DOG, CAT = (4, 20, 24, 40), (60, 20, 80, 40)
LEFT = {
    "tag": "position",
    "include": [{"class": "cat", "count": 1}, {"class": "dog", "count": 1, "position": ["left of", 0]}],
    "prompt": "a photo of a dog left of a cat",
}
NARROW = (drawn((160, 8), dog=(4, 2, 20, 6)), drawn((160, 8), cat=(60, 2, 80, 6)))  # few pixels once resized
BOTH = (drawn(dog=DOG, cat=CAT), drawn(dog=CAT, cat=DOG), drawn(cat=CAT), drawn())


def judged(**options):
    return Judged(Blocks(), MeanColor(), **options)


def test_the_ranker_passes_the_contract_check():
    groups = [Group(LEFT["prompt"], BOTH, "p", metadata=LEFT), Group("a photo of a dog", BOTH, "s")]
    check_ranker(judged(mode="graded"), groups=groups)
    check_ranker(judged(), groups=groups)


def test_the_score_is_the_official_verdict_and_the_details_say_why():
    (ranking,) = judged().rank([Group(LEFT["prompt"], BOTH, metadata=LEFT)])
    assert ranking.scores == (1, 0, 0, 0)
    right, wrong, alone, empty = ranking.details
    assert (right["correct"], right["reason"], right["tag"]) == (True, "", "position")
    assert right["detections"] == {"dog": [[*DOG, 0.95]], "cat": [[*CAT, 0.95]]}
    assert wrong["reason"] == "wanted 1 dog left of the cat, found it right of"
    assert alone["reason"] == "wanted 1 dog, found 0"
    assert empty["reason"].startswith("wanted 1 cat, found 0")
    assert {details["weights"] for details in ranking.details} == {"drawn"}


def test_the_other_scores_are_a_mode_away():
    group = Group(LEFT["prompt"], BOTH, metadata=LEFT)
    assert judged(mode="graded").rank([group])[0].scores == pytest.approx((1, 2 / 3, 1 / 3, 0))
    assert judged(mode="flow_grpo").rank([group])[0].scores == pytest.approx((1, 0.75, 1 / 3, 0))


def test_metadata_is_found_by_the_text_of_a_published_prompt():
    assert find_metadata("a photo of a bench", {})["tag"] == "single_object"
    assert find_metadata(" a photo of  a bench\n", {"seed": 3})["include"] == [{"class": "bench", "count": 1}]
    assert find_metadata("a photo of a bench", LEFT) is LEFT
    ranking = judged().rank([Group("a photo of a dog", (drawn(dog=DOG), drawn(cat=CAT)))])[0]
    assert ranking.scores == (1, 0)


@pytest.mark.parametrize(
    ("prompt", "metadata", "message"),
    [
        (
            "a rabbit in a hat",
            {},
            "no metadata says what 'a rabbit in a hat' asks for, and it is none of GenEval's 553 prompts",
        ),
        (
            "x",
            {"include": [{"class": "mouse", "count": 1}]},
            "'mouse', which the detector does not know; did you mean computer mouse",
        ),
        (
            "x",
            {
                "include": [
                    {"class": "dog", "count": 1},
                    {"class": "cat", "count": 1, "position": ["near", 0]},
                ]
            },
            "the relation 'near'",
        ),
    ],
)
def test_a_prompt_that_cannot_be_judged_abstains_with_what_to_do_and_costs_nothing(prompt, metadata, message):
    ranker = judged()
    good = Group("a photo of a dog", (drawn(dog=DOG),))
    (ranking, other) = ranker.rank([Group(prompt, BOTH, metadata=metadata), good])
    assert all(map(math.isnan, ranking.scores)) and other.scores == (1,)
    assert all(message in details["error"] for details in ranking.details)
    assert ranker.detector.seen == 1


def test_a_colour_is_named_from_the_things_own_pixels():
    metadata = {"tag": "colors", "include": [{"class": "dog", "count": 1, "color": "red"}]}
    (ranking,) = judged().rank([Group("x", (drawn(dog=DOG),), metadata=metadata)])
    assert ranking.scores == (1,) and ranking.details[0]["colors"] == {"dog": ["red"]}
    metadata["include"][0]["color"] = "blue"
    (ranking,) = judged().rank([Group("x", (drawn(dog=DOG),), metadata=metadata)])
    assert ranking.scores == (0,) and ranking.details[0]["reason"] == "wanted 1 dog in blue, found red"


def test_one_image_that_fails_abstains_alone():
    class Picky(Blocks):
        def detect(self, images):
            if any(image.width < 8 for image in images):
                raise ValueError("too small for me")
            return super().detect(images)

    (ranking,) = Judged(Picky(), MeanColor()).rank(
        [Group("a photo of a dog", (drawn(dog=DOG), drawn((4, 4))))]
    )
    assert ranking.scores[0] == 1 and math.isnan(ranking.scores[1])
    assert ranking.details[1]["error"] == "ValueError: too small for me"


def test_the_ranker_loads_by_name_with_converted_weights_and_scores(checkpoint, clip):
    ranker = rankkit.load(f"geneval:checkpoint={checkpoint},clip={clip},device=cpu,canary=false,mode=graded")
    (ranking,) = ranker.rank([Group("a photo of a dog", BOTH[:2])])
    assert all(0 <= score <= 1 for score in ranking.scores)
    assert len(ranking.details[0]["weights"]) == 8


def test_a_trainer_that_knows_prompts_alone_gets_verdicts_of_zero_and_one(checkpoint, clip):
    """As drpo calls it: by name, one group of candidates per prompt, without metadata or names."""
    ranker = rankkit.load("geneval", checkpoint=str(checkpoint), clip=str(clip), device="cpu", canary=False)
    six = {metadata["tag"]: metadata["prompt"] for metadata in prompts.evaluation_metadata()}
    for tag, prompt in six.items():
        (ranking,) = ranker.rank([Group(prompt, NARROW)])
        assert (
            set(ranking.scores) <= {0.0, 1.0} and [details["tag"] for details in ranking.details] == [tag] * 2
        )


def test_every_published_prompt_is_known_by_its_text():
    assert all(
        find_metadata(metadata["prompt"], {}) == metadata for metadata in prompts.evaluation_metadata()
    )


def test_the_detector_gives_an_image_the_same_things_alone_and_in_any_batch(checkpoint):
    detector = Mask2Former(str(checkpoint), device="cpu", batch_size=2)
    images = [NARROW[0], drawn((8, 160), cat=(2, 4, 6, 20)), NARROW[1]]
    prepared = [detector.prepare(image) for image in images]
    together = detector.detect(prepared)
    assert all(together)
    for one, found in zip(prepared, together, strict=True):
        (alone,) = detector.detect([one])
        assert sorted(alone) == sorted(found)
        for name in found:
            assert [each.score for each in found[name]] == pytest.approx(
                [each.score for each in alone[name]], abs=1e-4
            )


def test_the_detector_runs_full_batches_of_one_size_across_groups(checkpoint):
    detector, sizes = Mask2Former(str(checkpoint), device="cpu", batch_size=2), []
    detector.model.register_forward_hook(lambda module, given, found: sizes.append(len(found[0])))
    turned = tuple(image.transpose(Image.Transpose.ROTATE_90) for image in NARROW)
    mixed = [Group("a photo of a dog", pair) for pair in zip(NARROW, turned, strict=True)]
    rankings = Judged(detector, MeanColor(), mode="graded").rank(mixed)
    assert sizes == [2, 2] and all(0 <= score <= 1 for ranking in rankings for score in ranking.scores)


@pytest.mark.slow
def test_the_detector_of_the_published_size_runs_on_a_cpu(tmp_path):
    """69 million random weights, through the conversion; an image's time is printed (pytest -s -m slow)."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = Mask2FormerForUniversalSegmentation(official_config())
    assert round(sum(weight.numel() for weight in model.parameters()) / 1e6, 1) == 68.7
    model.class_predictor.weight.data *= 60
    model.save_pretrained(tmp_path / "random")
    torch.save(
        {"state_dict": inverse(load_file(tmp_path / "random" / "model.safetensors"))}, tmp_path / "m.pth"
    )
    convert_file(tmp_path / "m.pth", tmp_path / "converted")
    detector = Mask2Former(str(tmp_path / "converted"), device="cpu")
    image = drawn((512, 512), dog=(40, 200, 240, 400), cat=(300, 200, 480, 400))
    start = time.process_time()
    (found,) = detector.detect([detector.prepare(image)])
    seconds, peak = time.process_time() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(f"one image of 512 x 512: {seconds:.1f} s of one core, peak {peak} MiB")
    assert 0 < sum(map(len, found.values())) <= 100


def test_classes_are_mapped_by_index_whatever_the_configuration_calls_them(checkpoint):
    detector = Mask2Former(str(checkpoint), device="cpu")
    with torch.no_grad():
        detector.model.class_predictor.weight.zero_()
        detector.model.class_predictor.bias.copy_(30 * torch.nn.functional.one_hot(torch.tensor(64), 81))
    assert detector.model.config.id2label[64] == "LABEL_64"
    (found,) = detector.detect([detector.prepare(drawn(dog=DOG))])
    assert set(found) == {"computer mouse"}
    assert all(isinstance(each, Instance) and each.mask.shape == (64, 96) for each in found["computer mouse"])


def test_a_detector_that_does_not_see_the_cat_is_refused(checkpoint, clip):
    with pytest.raises(RankkitError, match=r"cat.*canary=false"):
        rankkit.load(f"geneval:checkpoint={checkpoint},clip={clip},device=cpu")


def test_a_detector_that_sees_the_cat_passes_the_canary():
    class Seeing(Blocks):
        def detect(self, images):
            assert [image.size for image in images] == [(451, 300)]
            return [{"cat": [Instance((0, 0, 9, 9), 0.97)]}]

    check_canary(Seeing())


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("geneval:mode=strict", "mode='strict' is not one of correct, graded, flow_grpo"),
        ("geneval:checkpont=x", "geneval has no option 'checkpont'; did you mean checkpoint"),
        ("geneval:checkpoint=/nowhere/m.pth", "python -m rankkit_geneval convert FILE FOLDER"),
        ("geneval:device=gpu9", "device='gpu9'"),
        ("geneval:batch_size=0", "batch_size is 0"),
        ("geneval:dtype=int8", "dtype='int8' is not one of float32, bfloat16, float16"),
    ],
)
def test_wrong_options_are_refused_by_name(spec, message):
    with pytest.raises(RankkitError, match=message):
        rankkit.load(spec)


def test_without_the_official_weights_the_error_says_how_to_get_them():
    with pytest.raises(RankkitError, match=r"tsbpp/geneval_mask2former.*convert FILE FOLDER"):
        rankkit.load("geneval:device=cpu")


def test_the_automatic_device_is_one_that_works():
    assert torch.zeros(1, device=pick_device("auto")).item() == 0


def test_the_hubs_own_training_run_has_the_same_labels_in_the_same_places():
    model = Mask2FormerForUniversalSegmentation(tiny_config())
    assert model.class_predictor.out_features == len(CLASSES) + 1


def test_listing_the_ranker_imports_neither_torch_nor_the_plugin():
    code = (
        "import sys, json; from rankkit.registry import cards; "
        "from rankkit.registry.catalog import installed;"
        "(card,) = [cards.describe(o, verbose=True) for o in installed() if o.name == 'geneval'];"
        "print(json.dumps([card, sorted({'torch', 'transformers', 'rankkit_geneval'} & set(sys.modules))]))"
    )
    card, imported = json.loads(
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    )
    assert imported == [] and "error" not in card
    assert card["card"]["range"] and card["card"]["weights"]
