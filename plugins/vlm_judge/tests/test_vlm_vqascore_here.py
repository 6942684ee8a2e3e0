"""VQAScore by models in this process equals the published loops on the same tiny random weights."""

import json

import numpy as np
import pytest
from PIL import Image

torch = pytest.importorskip("torch", reason="a model is loaded here only with rankkit-vlm-judge[local]")
transformers = pytest.importorskip("transformers")

import small_clip_t5  # noqa: E402
from small_vlm import TEMPLATE, qwen3, qwen25, save  # noqa: E402

import rankkit  # noqa: E402
from rankkit.errors import BadOption, BrokenRanker  # noqa: E402
from rankkit.testing import check_ranker  # noqa: E402
from rankkit_torch.golden import assert_parity  # noqa: E402
from rankkit_torch.testing import damage  # noqa: E402

PROMPTS = ("a noisy image", 'two cats and a "dog" on a very long wooden table', "x")


def load(folder, **options):
    return rankkit.load("vqascore", model=str(folder), cache=None, device="cpu", **options)


def drawn(width, height, seed=0):
    levels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    return Image.fromarray(levels)


IMAGES = tuple(drawn(*size, seed) for seed, size in enumerate([(40, 40), (64, 40), (40, 72), (90, 90)]))


def groups():
    return [rankkit.Group(prompt, IMAGES) for prompt in PROMPTS]


def scores(ranker):
    return [score for ranking in ranker.rank(groups()) for score in ranking.scores]


# --- Qwen-VL ---


@pytest.mark.parametrize("make", [qwen25, qwen3], ids=["Qwen2.5-VL", "Qwen3-VL"])
def test_qwen_scores_equal_the_published_loop_with_the_models_own_processor_and_generate(tmp_path, make):
    folder = save(tmp_path / "m", make, labels=("Yes", "No"))
    assert_parity(scores(load(folder)), list(qwen_loop(folder)))


@torch.no_grad()
def qwen_loop(folder):
    """t2v_metrics' loop: chat template, processor, one greedy step, softmax of its scores, token of Yes."""
    auto = transformers
    net = auto.AutoModelForImageTextToText.from_pretrained(folder).eval()
    net.generation_config = auto.GenerationConfig(eos_token_id=net.generation_config.eos_token_id)
    words = auto.AutoTokenizer.from_pretrained(folder)
    pixels = auto.AutoImageProcessor.from_pretrained(folder, backend="pil")
    modules = auto.models
    if pixels.patch_size == 14:
        processor, video = auto.Qwen2_5_VLProcessor, modules.qwen2_vl.video_processing_qwen2_vl
        video = video.Qwen2VLVideoProcessor
    else:
        processor, video = auto.Qwen3VLProcessor, modules.qwen3_vl.video_processing_qwen3_vl
        video = video.Qwen3VLVideoProcessor
    whole = processor(image_processor=pixels, tokenizer=words, video_processor=video())
    for group in groups():
        for image in group.images:
            text = f'Does this figure show "{group.prompt}"? Please answer Yes or No.'
            said = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": text}]}]
            asked = whole.apply_chat_template(
                said, chat_template=TEMPLATE, tokenize=False, add_generation_prompt=True
            )
            made = net.generate(
                **whole(text=[asked], images=[image], return_tensors="pt"),
                max_new_tokens=1, do_sample=False, output_scores=True, return_dict_in_generate=True,
            )  # fmt: skip
            (token,) = words.encode("Yes", add_special_tokens=False)
            yield float(made.scores[0][0].softmax(-1)[token])


def test_a_model_without_a_token_for_yes_is_refused(tmp_path):
    folder = save(tmp_path / "m", qwen3, merges=())
    with pytest.raises(rankkit.RunStopped, match="no single token for 'Yes'"):
        load(folder).rank(groups())


def test_options_of_clip_flant5_are_refused_for_another_model(tmp_path):
    folder = save(tmp_path / "m", qwen3)
    with pytest.raises(BadOption, match="vision= is for a CLIP-FlanT5"):
        load(folder, vision="x")


# --- CLIP-FlanT5 ---


@pytest.fixture(scope="module")
def flan(tmp_path_factory):
    return small_clip_t5.write(tmp_path_factory.mktemp("clip-flant5"))


def test_clip_flant5_scores_equal_the_published_computation_one_at_a_time(flan):
    expected = [
        small_clip_t5.reference(flan, image, group.prompt) for group in groups() for image in group.images
    ]
    assert_parity(scores(load(flan)), expected)


def test_batches_and_their_padding_change_nothing(flan):
    assert scores(load(flan, batch_size=5)) == pytest.approx(scores(load(flan, batch_size=1)), rel=1e-4)


@pytest.mark.parametrize("kept", [("vision",), ("tokenizer",)])
def test_what_a_checkpoint_does_not_hold_is_taken_from_where_it_is_named(flan, tmp_path, kept):
    """The image tower in CLIP's own folder, the tokenizer in Flan-T5's: the same scores."""
    part = small_clip_t5.without(flan, tmp_path, *kept)
    assert scores(load(part.folder, **part.options)) == scores(load(flan))


def test_images_that_are_not_square_are_seen_whole(flan):
    from rankkit_vlm_judge.images import EncodedImage
    from rankkit_vlm_judge.published.vqascore import does_it_show_flan

    inputs = load(flan).asker.transport.inputs
    wide = IMAGES[1]
    square = inputs.squared(wide)
    assert square.size == (64, 64) and square.getpixel((0, 0)) == (122, 116, 104)
    assert square.crop((0, 12, 64, 52)).tobytes() == wide.tobytes()
    prepared = inputs.prepare(does_it_show_flan(EncodedImage(wide, 64), "a cat"), "")
    assert (prepared.ids == -200).sum() == 1 and (prepared.ids == 1).sum() == 2  # both texts end


@pytest.mark.parametrize(
    ("how", "message"),
    [("missing", "1 key is missing"), ("unexpected", r"stranger.weight"), ("truncated", "damaged")],
)
def test_a_damaged_checkpoint_is_refused_by_name(tmp_path, how, message):
    folder = small_clip_t5.write(tmp_path / "m")
    damage(folder / "pytorch_model.bin", how)
    with pytest.raises(BrokenRanker, match=message):
        load(folder)


def test_a_configuration_without_its_images_is_refused(tmp_path):
    folder = small_clip_t5.write(tmp_path / "m")
    config = json.loads((folder / "config.json").read_text())
    del config["mm_vision_tower"]
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(BrokenRanker, match="config.json lacks mm_vision_tower"):
        load(folder)


def test_an_image_tower_that_is_nowhere_is_said_with_the_option_that_names_it(tmp_path):
    folder = small_clip_t5.write(tmp_path / "m", mm_vision_tower="openai/clip-vit-large-patch14-336")
    with pytest.raises(BrokenRanker, match="give vision=PATH"):
        load(folder)


def test_another_projector_is_refused(tmp_path):
    folder = small_clip_t5.write(tmp_path / "m", mm_projector_type="qformer")
    with pytest.raises(rankkit.RankkitError, match="mm_projector_type=qformer is no projector"):
        load(folder)


def test_clip_flant5_passes_the_contract_check(flan):
    check_ranker(load(flan), reload=lambda **options: load(flan, **options))


def test_rows_say_that_the_model_and_its_revision_judged(flan):
    (ranking,) = load(flan).rank(groups()[:1])
    assert ranking.details[0]["model"].startswith(f"{flan}@") and ranking.details[0]["model"].endswith(
        "float32"
    )


def test_without_a_network_the_hubs_cache_is_taken_under_its_commit_and_said_once(
    flan, tmp_path, monkeypatch, capfd
):
    from rankkit_vlm_judge.local import source

    def nobody_answers(*names, **options):
        raise ConnectionError("no network")

    cached = tmp_path / ("b" * 40)
    cached.symlink_to(flan, target_is_directory=True)
    monkeypatch.setattr(source.HfApi, "model_info", nobody_answers)
    monkeypatch.setattr(source, "snapshot_download", lambda name, local_files_only: str(cached))
    ranker = load("somebody/small")
    assert ranker.asker.transport.model == "somebody/small@bbbbbbbbbbbb float32"
    assert capfd.readouterr().err.count("so what its cache holds is taken") == 1
    assert scores(ranker) == scores(load(flan))
