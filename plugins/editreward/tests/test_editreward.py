"""EditReward passes the contract check, equals the published computation, and says what it lacks."""

import math
from pathlib import Path

import pytest
import tiny_editreward as tiny
from safetensors.torch import load_file, save_file

import rankkit
from rankkit.errors import BadOption, BrokenRanker
from rankkit.plugin import prepare
from rankkit.testing import check_ranker, sample_groups
from rankkit_torch import golden
from rankkit_torch.testing import damage

GOLDEN = Path(__file__).parent.parent / "golden.json"


@pytest.fixture(scope="module")
def options(tmp_path_factory):
    return {**tiny.checkpoint(tmp_path_factory.mktemp("editreward")), "device": "cpu", "dtype": "float32"}


def load(options, **changed):
    return rankkit.load("editreward", **{**options, **changed})


IMAGES = [image for group in sample_groups() for image in group.images][:3]


def test_editreward_passes_the_contract_check(options):
    groups = [rankkit.Group("make it red", tuple(IMAGES), "a")]
    check_ranker(load(options), reload=lambda **changed: load(options, **changed), groups=groups)


def test_scores_equal_the_published_computation_one_at_a_time(options):
    prompts = ["make it red", "a longer instruction", "x"]
    groups = [rankkit.Group(prompt, (image,)) for prompt, image in zip(prompts, IMAGES, strict=True)]
    ours = [ranking.scores[0] for ranking in load(options).rank(groups)]
    places = {name: options[name] for name in ("checkpoint", "base", "original")}
    golden.assert_parity(ours, tiny.reference(IMAGES, prompts, **places))


def test_scores_are_the_golden_ones(tmp_path):
    golden.check(GOLDEN, tiny, tmp_path, prompts=1)


def test_files_of_every_mode_are_scored_as_the_reference_does_or_refused_as_it_does(tmp_path):
    golden.check_files(GOLDEN, tiny, tmp_path)


def test_the_source_comes_from_metadata_before_the_option_and_without_either_the_image_abstains(
    options, tmp_path
):
    IMAGES[2].save(tmp_path / "other.png")
    groups = [
        rankkit.Group("make it red", (IMAGES[0],), metadata=metadata)
        for metadata in ({"source": str(tmp_path / "other.png")}, {"source": IMAGES[2]}, {})
    ]
    named, held, fallen_back = (ranking.scores[0] for ranking in load(options).rank(groups))
    assert named == pytest.approx(held) and named != pytest.approx(fallen_back)
    (without,) = load(options, original="").rank(groups[2:])
    assert math.isnan(without.scores[0]) and "source=PATH" in without.details[0]["error"]


def test_with_a_folder_nothing_outside_of_it_is_read(options, tmp_path):
    IMAGES[2].save(tmp_path / "other.png")
    (tmp_path / "inside").mkdir()
    group = rankkit.Group("x", (IMAGES[0],), metadata={"source": str(tmp_path / "other.png")})
    (ranking,) = load(options, folder=str(tmp_path / "inside")).rank([group])
    assert math.isnan(ranking.scores[0]) and "does not lie in the folder" in ranking.details[0]["error"]


def test_rows_hold_both_heads_and_the_learned_deviation(options):
    (ranking,) = load(options).rank([rankkit.Group("make it red", (IMAGES[0],))])
    details = ranking.details[0]
    assert ranking.scores[0] == pytest.approx((details["following"] + details["quality"]) / 2)
    assert ranking.stderr[0] == pytest.approx(math.exp(details["log_sigma"]))


def test_an_instruction_with_the_models_own_marks_abstains(options):
    (ranking,) = load(options).rank([rankkit.Group("a <|Reward|> cat", (IMAGES[0],))])
    assert math.isnan(ranking.scores[0]) and "<|Reward|>" in ranking.details[0]["error"]


@pytest.mark.parametrize("older", [False, True])
def test_checkpoints_of_a_torch_file_and_of_older_keys_give_the_same_scores(options, tmp_path, older):
    import torch

    state = load_file(options["checkpoint"] + "/model.safetensors")
    if older:
        state = {
            key.replace("model.language_model.", "model.").replace("model.visual.", "visual."): value
            for key, value in state.items()
        }
    torch.save({"model": state}, tmp_path / "model.pth")
    group = rankkit.Group("make it red", tuple(IMAGES[:2]))
    first, second = (load(options, checkpoint=place) for place in (options["checkpoint"], str(tmp_path)))
    assert first.rank([group])[0].scores == second.rank([group])[0].scores


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("truncated", "truncated or damaged"),
        ("missing", "1 key is missing"),
        ("unexpected", "stranger.weight"),
    ],
)
def test_a_bad_checkpoint_is_refused_by_name(options, tmp_path, how, message):
    file = tmp_path / "model.safetensors"
    save_file(load_file(options["checkpoint"] + "/model.safetensors"), file)
    damage(file, how)
    with pytest.raises(BrokenRanker, match=message):
        load(options, checkpoint=str(tmp_path))


def test_what_is_no_source_or_no_base_is_refused_before_weights_are_loaded(options, tmp_path):
    with pytest.raises(BadOption, match="original="):
        load(options, original=str(tmp_path / "none.png"))
    with pytest.raises(BrokenRanker, match="holds no config.json"):
        load(options, base=str(tmp_path))


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (
            '{"model_type": "qwen3_vl"}',
            "is a qwen3_vl, and EditReward is read on qwen2_5_vl; its authors' code",
        ),
        ('{"model_type": "qwen2_vl"}', r"is a qwen2_vl, and .* on qwen2_5_vl: give base=Qwen/Qwen2\.5-VL"),
        ("[]", "is no configuration of a model"),
        ("{", "is no configuration of a model"),
    ],
)
def test_a_base_of_another_family_is_refused_in_words(options, tmp_path, config, message):
    (tmp_path / "config.json").write_text(config)
    with pytest.raises(BrokenRanker, match=message):
        load(options, base=str(tmp_path))


def test_the_version_names_weights_base_and_source(options):
    known = {name: options[name] for name in ("checkpoint", "base", "original")}
    whole = prepare("editreward", **known).identity.version
    without = prepare("editreward", **{**known, "original": ""}).identity.version
    assert whole.count("sha256:") == 3 and without.count("sha256:") == 2 and whole.endswith("+pil")
