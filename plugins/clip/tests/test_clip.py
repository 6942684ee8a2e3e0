"""clip passes the contract check with transformers' CLIP and open_clip's, and equals each's plain loop."""

import json
from pathlib import Path

import numpy as np
import pytest
import tiny_clip as tiny
import torch
from typer.testing import CliRunner

import rankkit
from rankkit.cli.app import app
from rankkit.errors import BadOption, BrokenRanker
from rankkit.plugin import prepare
from rankkit.testing import check_ranker, sample_groups
from rankkit_clip import Clip
from rankkit_torch import draw, golden
from rankkit_torch.testing import LONG, clip_folder, damage, score_each, tiny_clip_config

IMAGES = [image for group in sample_groups() for image in group.images]
PROMPTS = [group.prompt for group in sample_groups() for _ in group.images]
TINY = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 28, "layers": 2, "width": 32, "head_width": 8, "patch_size": 14},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 4, "layers": 2},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny.checkpoint(tmp_path_factory.mktemp("clip"))["checkpoint"]


@pytest.fixture(scope="module")
def open_clip():
    return pytest.importorskip("open_clip", exc_type=Exception)


@pytest.fixture(scope="module")
def file(open_clip, tmp_path_factory):
    """A checkpoint of a tiny architecture that open_clip is told of, with and without QuickGELU."""
    place = tmp_path_factory.mktemp("open_clip")
    (place / "tiny.json").write_text(json.dumps(TINY))
    (place / "tiny-quickgelu.json").write_text(json.dumps({**TINY, "quick_gelu": True}))
    open_clip.add_model_config(place)
    model = open_clip.create_model("tiny")
    torch.save(
        draw({key: tuple(value.shape) for key, value in model.state_dict().items()}), place / "tiny.pt"
    )
    return str(place / "tiny.pt")


def test_clip_passes_the_contract_check(folder):
    check_ranker(
        rankkit.load("clip", checkpoint=folder, batch_size=3),
        reload=lambda **options: rankkit.load("clip", checkpoint=folder, **options),
    )


def test_embeddings_are_the_unit_vectors_whose_cosines_are_scores(folder):
    ranker = Clip(checkpoint=folder, batch_size=2)
    vectors = ranker.embed(IMAGES[:5])
    with torch.no_grad():
        text = torch.nn.functional.normalize(ranker.towers.embed_texts(["a red circle"]), dim=-1)[0].numpy()
    scores = [each.score for each in score_each(ranker, IMAGES[:5], ["a red circle"] * 5)]
    assert vectors == pytest.approx(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), abs=1e-6)
    assert scores == pytest.approx((100 * vectors @ text).tolist(), abs=1e-4)


def test_a_taste_is_fitted_to_embeddings_and_scores_by_them(folder, tmp_path):
    for number, image in enumerate(IMAGES[:6]):
        image.save(tmp_path / f"{number}.png")
    pairs = [
        {"image_a": f"{i}.png", "image_b": f"{j}.png", "choice": "a"} for i in range(6) for j in range(i)
    ]
    (tmp_path / "labels.jsonl").write_text("".join(json.dumps(pair) + "\n" for pair in pairs))
    arguments = ["fit", str(tmp_path / "labels.jsonl"), "-o", str(tmp_path / "taste")]
    arguments += ["--features", f"clip:checkpoint={folder},batch_size=4"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    taste = rankkit.load(str(tmp_path / "taste"))
    scores = taste.rank([rankkit.Group("", tuple(IMAGES[:6]))])[0].scores
    assert not taste.needs_prompt and scores[5] > scores[0]


def test_scores_equal_the_plain_loop_of_transformers(folder):
    ours = [scored.score for scored in score_each(Clip(checkpoint=folder), IMAGES, PROMPTS)]
    theirs = tiny.reference(IMAGES, PROMPTS, checkpoint=folder)
    golden.assert_parity(ours, theirs)


def test_scores_are_the_golden_ones(tmp_path):
    golden.check(Path(__file__).parent.parent / "golden.json", tiny, tmp_path)


def test_files_of_every_mode_are_scored_as_the_reference_does_or_refused_as_it_does(tmp_path):
    golden.check_files(Path(__file__).parent.parent / "golden.json", tiny, tmp_path)


@pytest.mark.parametrize("name", ["tiny", "tiny-quickgelu"])
def test_scores_equal_the_plain_loop_of_open_clip(open_clip, file, name):
    model, transform = open_clip.create_model_from_pretrained(name, pretrained=file)
    tokenizer = open_clip.get_tokenizer(name)
    ours, theirs = score_each(Clip(model=name, checkpoint=file), IMAGES, [*PROMPTS[1:], LONG]), []
    with torch.no_grad():
        for image, prompt in zip(IMAGES, [*PROMPTS[1:], LONG], strict=True):
            a, b = model.eval().encode_image(transform(image)[None]), model.encode_text(tokenizer([prompt]))
            theirs.append(100 * float(torch.nn.functional.cosine_similarity(a, b)))
    golden.assert_parity([scored.score for scored in ours], theirs)
    assert ours[-1].details["prompt_truncated"] and not ours[0].details["prompt_truncated"]


def test_open_clip_reads_prompts_up_to_the_longest_and_gives_the_features_of_the_limit(open_clip, file):
    towers, read = Clip(model="tiny", checkpoint=file).towers, []
    towers.model.transformer.register_forward_hook(lambda *given: read.append(given[2].shape[1]))
    for prompts in (["", "a red fox", "a " * 20], [LONG, "a fox"]):
        ours = towers.embed_texts(prompts)
        with torch.inference_mode():
            theirs = towers.model.encode_text(towers.tokenizer(prompts))
        assert torch.allclose(ours, theirs, atol=1e-5 * float(theirs.std()))
    assert read == [22, 77, 77, 77]


def test_open_clip_passes_the_contract_check(open_clip, file):
    check_ranker(rankkit.load("clip:model=tiny", checkpoint=file, batch_size=3))


def test_weights_by_openai_get_quickgelu_whatever_the_architecture_says(open_clip, file, tmp_path):
    extras = {
        "input_resolution": torch.tensor(28),
        "context_length": torch.tensor(77),
        "vocab_size": torch.tensor(49408),
    }
    torch.save({**torch.load(file), **extras}, tmp_path / "openai.pt")
    quick = score_each(Clip(model="tiny-quickgelu", checkpoint=file), IMAGES, PROMPTS)
    assert score_each(Clip(model="tiny", checkpoint=str(tmp_path / "openai.pt")), IMAGES, PROMPTS) == quick
    assert score_each(Clip(model="tiny", checkpoint=file), IMAGES, PROMPTS) != quick


def test_a_tag_trained_without_quickgelu_is_refused_on_such_an_architecture(open_clip, file):
    from rankkit_torch.openclip import OpenClip

    with pytest.raises(BadOption, match="tiny-quickgelu"):
        OpenClip("tiny-quickgelu", torch.load(file), file, device=torch.device("cpu"), dtype=torch.float32)


def test_tags_of_open_clip_say_which_weights_need_quickgelu(open_clip):
    tags = (
        open_clip.get_pretrained_cfg("ViT-L-14", "openai"),
        open_clip.get_pretrained_cfg("ViT-H-14", "laion2b_s32b_b79k"),
    )
    assert [bool(tag.get("quick_gelu")) for tag in tags] == [True, False]


def test_an_unknown_architecture_or_tag_is_answered_with_those_there_are(open_clip, file):
    with pytest.raises(BadOption, match="open_clip knows no architecture 'ViT-Z'"):
        Clip(model="ViT-Z", checkpoint=file)
    with pytest.raises(BadOption, match="no pretrained='nobody' for ViT-L-14; its tags: openai"):
        prepare("clip:model=ViT-L-14,pretrained=nobody")


def test_a_tag_that_cannot_be_downloaded_says_what_to_do(open_clip):
    with pytest.raises(BrokenRanker, match=r"timm/vit_large_patch14_clip_224.openai .*checkpoint=PATH"):
        rankkit.load("clip:model=ViT-L-14-quickgelu")


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("truncated", "truncated or damaged"),
        ("pickle", "not weights"),
        ("missing", r"1 key is missing"),
        ("unexpected", "stranger"),
    ],
)
def test_a_bad_checkpoint_is_refused_by_name(tmp_path, how, message):
    folder = clip_folder(tmp_path, tiny_clip_config())
    damage(folder / "model.safetensors", how)
    with pytest.raises(BrokenRanker, match=message):
        rankkit.load("clip", checkpoint=str(folder))


@pytest.mark.parametrize("how", ["missing", "unexpected", "truncated", "pickle"])
def test_a_bad_checkpoint_of_open_clip_is_refused_by_name(open_clip, file, tmp_path, how):
    path = tmp_path / "tiny.pt"
    path.write_bytes(Path(file).read_bytes())
    with pytest.raises(BrokenRanker, match=r"tiny\.pt"):
        rankkit.load("clip:model=tiny", checkpoint=str(damage(path, how)))


def test_the_version_names_weights_and_preprocessing(folder):
    assert prepare("clip", checkpoint=folder).identity.version.startswith("0.1.0+sha256:")
    with pytest.raises(BrokenRanker, match=r"openai/clip-vit-large-patch14 .*HF_HUB_OFFLINE=1"):
        prepare("clip")
