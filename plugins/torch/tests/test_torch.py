"""What learned rankers share: checkpoints found, read and loaded strictly; devices; weights drawn by name."""

import contextlib
import json
import shutil

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import nn

import rankkit_torch as shared
from rankkit.errors import BadOption, BrokenRanker
from rankkit.plugin import map_images, prepare
from rankkit_torch import golden, testing, weights
from rankkit_torch.clip import HuggingFaceClip, text_features

STATE = {"weight": torch.arange(6.0).view(2, 3), "bias": torch.ones(2)}


@pytest.fixture
def files(tmp_path):
    save_file(STATE, tmp_path / "a.safetensors")
    torch.save(STATE, tmp_path / "a.pt")
    torch.save({"state_dict": STATE, "epoch": 3}, tmp_path / "nested.ckpt")
    torch.save(STATE, tmp_path / "old.bin", _use_new_zipfile_serialization=False)
    return tmp_path


@pytest.mark.parametrize("name", ["a.safetensors", "a.pt", "nested.ckpt", "old.bin"])
def test_weights_are_read_from_every_usual_format(files, name):
    assert all(torch.equal(value, STATE[key]) for key, value in shared.read(files / name).items())


def test_a_folder_is_read_whole_from_its_shards(tmp_path):
    save_file({"weight": STATE["weight"]}, tmp_path / "model-1.safetensors")
    save_file({"bias": STATE["bias"]}, tmp_path / "model-2.safetensors")
    index = {"weight_map": {"weight": "model-1.safetensors", "bias": "model-2.safetensors"}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    assert shared.read(tmp_path).keys() == STATE.keys()
    (tmp_path / "model-2.safetensors").unlink()
    with pytest.raises(BrokenRanker, match=r"lacks model-2\.safetensors"):
        shared.read(tmp_path)


def test_a_folder_without_weights_says_what_is_expected(tmp_path):
    with pytest.raises(BrokenRanker, match=r"holds no weights; one of model\.safetensors"):
        shared.read(tmp_path)


@pytest.mark.parametrize("name", ["a.safetensors", "a.pt", "old.bin"])
def test_a_truncated_file_is_said_to_be_one(files, name):
    with pytest.raises(BrokenRanker, match=r"truncated or damaged|not weights"):
        shared.read(testing.damage(files / name, "truncated"))


def test_a_pickle_that_is_not_weights_is_refused_and_nothing_in_it_runs(files):
    with pytest.raises(BrokenRanker, match=r"a\.pt"):
        shared.read(testing.damage(files / "a.pt", "pickle"))
    torch.save([1, 2], files / "list.pt")
    with pytest.raises(BrokenRanker, match="a pickle that is not weights: it holds list"):
        shared.read(files / "list.pt")


def test_a_file_of_another_kind_shows_its_first_bytes(tmp_path):
    (tmp_path / "page.safetensors").write_text("<!DOCTYPE html>")
    with pytest.raises(BrokenRanker, match="b'<!DOCTYP"):
        shared.read(tmp_path / "page.safetensors")


def test_keys_that_do_not_fit_are_named():
    with pytest.raises(
        BrokenRanker,
        match=r"a\.pt.*Linear.*missing \(bias\).*unexpected \(extra\)",
    ):
        shared.load_strict(nn.Linear(3, 2), {"weight": STATE["weight"], "extra": STATE["bias"]}, "a.pt")
    with pytest.raises(BrokenRanker, match=r"of another shape \(bias \(3,\) for \(2,\)\)"):
        shared.load_strict(nn.Linear(3, 2), {**STATE, "bias": torch.ones(3)}, "a.pt")


def test_an_empty_model_holds_exactly_what_the_checkpoint_held():
    with shared.empty():
        model = nn.Linear(3, 2)
    shared.load_strict(model, {**STATE, "position_ids": torch.ones(1)}, "a.pt", ignore=["position_ids"])
    assert (
        torch.equal(model.weight, STATE["weight"]) and not model.weight.requires_grad and not model.training
    )


def test_the_weights_id_is_of_the_bytes_and_not_of_the_place(files, tmp_path):
    shutil.copy(files / "a.pt", tmp_path / "copy.pt")
    first = shared.weights_id(str(files / "a.pt"))
    assert (
        first
        == shared.weights_id(str(tmp_path / "copy.pt"))
        != shared.weights_id(str(files / "a.safetensors"))
    )
    with (tmp_path / "copy.pt").open("ab") as file:
        file.write(b" ")
    assert first != shared.weights_id(str(tmp_path / "copy.pt"))


def test_a_changed_vocabulary_changes_the_id_of_a_folder(tmp_path):
    (tmp_path / "vocab.json").write_text("{}")
    before = shared.weights_id(str(tmp_path))
    (tmp_path / "vocab.json").write_text('{"a": 1}')
    assert shared.weights_id(str(tmp_path)) != before


def test_a_failed_download_says_what_to_do_offline():
    for ask in (shared.find, shared.weights_id):
        with pytest.raises(BrokenRanker, match=r"nobody/nothing.*checkpoint=PATH.*HF_HUB_OFFLINE=1"):
            ask("nobody/nothing")


def test_a_failed_download_names_the_option_that_would_replace_it():
    for spec, option in (
        ("hpsv3", "base"),
        ("imagereward", "tokenizer"),
        ("aesthetic", "clip"),
        ("pickscore", "processor"),
    ):
        with pytest.raises(
            BrokenRanker,
            match=rf"nobody/nothing.*{option}=PATH",
        ):
            prepare(spec, checkpoint=__file__, **{option: "nobody/nothing"})


def test_a_name_that_is_neither_path_nor_hub_id_is_a_bad_option():
    for name in ("/no/such/folder", "nothing", "a b/c"):
        with pytest.raises(BadOption, match="is no file or folder here, and no hub id"):
            shared.find(name)


def test_one_file_of_a_folder_can_be_meant(files):
    assert shared.find(str(files), file="a.pt") == files / "a.pt"
    with pytest.raises(BrokenRanker, match=r"holds no b\.pt"):
        shared.find(str(files), file="b.pt")


def test_device_and_dtype_are_checked():
    assert shared.pick_device("cpu").type == "cpu" and shared.pick_device().type in ("cpu", "cuda", "mps")
    assert (
        shared.pick_dtype("auto", "bfloat16") is torch.bfloat16
        and shared.pick_dtype("float16", "float32") is torch.float16
    )
    with pytest.raises(BadOption, match="'gpu' is no device; use auto"):
        shared.pick_device("gpu")
    with pytest.raises(BadOption, match="'cuda:77' is not here: torch sees"):
        shared.pick_device("cuda:77")
    with pytest.raises(BadOption, match="not one of auto, float32"):
        shared.pick_dtype("double", "float32")


def test_running_out_of_gpu_memory_is_one_clear_message():
    with (
        pytest.raises(BrokenRanker, match="cpu.*64 images.*batch_size"),
        shared.memory(torch.device("cpu"), "64 images"),
    ):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")


@pytest.mark.parametrize("chosen", ["highest", "high"])
def test_full_float32_holds_within_it_and_leaves_the_programs_choice_as_it_was(chosen):
    def choices():
        return (
            torch.get_float32_matmul_precision(),
            torch.backends.cuda.matmul.allow_tf32,
            torch.backends.cudnn.allow_tf32,
        )

    torch.set_float32_matmul_precision(chosen)
    try:
        before = choices()
        with pytest.raises(ZeroDivisionError), shared.full_float32():
            if hasattr(torch.backends.cudnn, "conv"):
                assert (
                    torch.backends.cudnn.conv.fp32_precision
                    == torch.backends.cuda.matmul.fp32_precision
                    == "ieee"
                )
            else:
                assert not torch.backends.cudnn.allow_tf32 and not torch.backends.cuda.matmul.allow_tf32
            raise ZeroDivisionError
        assert choices() == before
    finally:
        torch.set_float32_matmul_precision("highest")


def test_full_float32_holds_until_the_last_thread_has_left():
    def rounds():
        matmul = torch.backends.cuda.matmul
        return matmul.fp32_precision != "ieee" if hasattr(torch.backends.cudnn, "conv") else matmul.allow_tf32

    torch.set_float32_matmul_precision("high")
    try:
        one, two = contextlib.ExitStack(), contextlib.ExitStack()
        one.enter_context(shared.full_float32())
        two.enter_context(shared.full_float32())
        one.close()
        assert not rounds()
        two.close()
        assert rounds()
    finally:
        torch.set_float32_matmul_precision("highest")


def test_batches_hold_everything_once_and_in_order():
    assert [list(batch) for batch in shared.batches(range(5), 2)] == [[0, 1], [2, 3], [4]]
    with pytest.raises(BadOption, match="batch_size=0 is below 1"):
        list(shared.batches([1], 0))


def test_drawn_weights_depend_on_seed_and_key_alone():
    shapes = {"a.weight": (4, 9), "a.bias": (4,), "logit_scale": ()}
    one, two = weights.draw(shapes), weights.draw({"a.weight": (4, 9)})
    assert torch.equal(one["a.weight"], two["a.weight"]) and not torch.equal(
        one["a.weight"], weights.draw(shapes, 1)["a.weight"]
    )
    assert one["logit_scale"].exp().item() == pytest.approx(100) and 0.1 < one["a.weight"].std() < 1
    assert weights.digest(one) == weights.digest(dict(reversed(one.items()))) != weights.digest(two)


def test_drawn_weights_are_the_same_numbers_everywhere():
    drawn = [-0.02805081382393837, 0.5213428139686584, 0.643610417842865, 0.4115723669528961]
    assert weights.draw({"w": (2, 2)})["w"].flatten().tolist() == pytest.approx(drawn, rel=1e-6)


@pytest.mark.parametrize(
    ("width", "height"), [(300, 227), (227, 300), (224, 224), (1, 1), (1, 60), (99, 100)]
)
def test_the_square_is_the_centre_of_the_resized_image(width, height):
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8))
    assert shared.resize_center_crop(image, 56).size == (56, 56)
    assert min(shared.resized_size(width, height, 56)) == 56


def test_an_image_too_narrow_for_the_memory_is_refused_by_its_size():
    with pytest.raises(BrokenRanker, match="1x40000"):
        shared.resized_size(1, 40000, 224)


@pytest.mark.parametrize("threads", [1, 4])
def test_images_are_prepared_in_order_on_any_number_of_threads(threads, monkeypatch):
    monkeypatch.setattr("rankkit.core.prefetch.THREADS", threads)
    made = testing.sample_images()
    assert map_images(lambda image: image.size, made) == [image.size for image in made]
    with pytest.raises(ZeroDivisionError):
        map_images(lambda image: 1 // (image.width - 224), made)


def test_one_image_that_was_not_read_yet_can_come_several_times(tmp_path):
    testing.sample_images()[11].save(tmp_path / "image.png")
    for _ in range(5):
        with Image.open(tmp_path / "image.png") as unread:
            first, *others = map_images(
                lambda image: shared.resize_center_crop(image, 28).tobytes(), [unread] * 4
            )
        assert others == [first] * 3


def test_pixels_are_normalised_per_channel():
    red = Image.new("RGB", (2, 2), (255, 0, 0))
    pixels = shared.pixel_batch(
        lambda image: shared.normalized_pixels(image, (0.5, 0.5, 0), (0.5, 0.25, 1)), [red]
    )
    assert pixels[0, :, 0, 0].tolist() == [1.0, -2.0, 0.0] and pixels.shape == (1, 3, 2, 2)


def test_a_long_prompt_keeps_its_end_mark(tmp_path):
    folder = str(testing.clip_folder(tmp_path, testing.tiny_clip_config()))
    clip = HuggingFaceClip(folder, folder, device=torch.device("cpu"), dtype=torch.float32)
    for words in (74, 75, 76, 200):
        tokens = clip.tokenizer("a " * words, truncation=True, max_length=77)["input_ids"]
        _, (note,) = text_features(clip, ["a " * words])
        assert tokens[-1] == clip.tokenizer.eos_token_id and len(tokens) == min(words + 2, 77)
        assert note == {"prompt_tokens": words + 2, "prompt_truncated": words > 75}


def test_prompts_are_filled_up_to_the_longest_and_get_the_features_of_the_limit(tmp_path):
    folder = str(testing.clip_folder(tmp_path, testing.tiny_clip_config()))
    clip = HuggingFaceClip(folder, folder, device=torch.device("cpu"), dtype=torch.float32)
    read = []
    clip.model.text_model.embeddings.register_forward_hook(lambda *given: read.append(given[2].shape[1]))
    prompts = ["", "a red fox", "a " * 20]
    ours = clip.embed_texts(prompts)
    padded = clip.tokenizer(prompts, padding="max_length", max_length=77, return_tensors="pt")
    with torch.inference_mode():
        theirs = clip.model.get_text_features(**padded).pooler_output
    assert read == [22, 77] and torch.allclose(ours, theirs, atol=1e-5 * float(theirs.std()))


def test_a_folder_without_a_tokenizer_names_the_option_to_give(tmp_path):
    folder = testing.clip_folder(tmp_path, testing.tiny_clip_config())
    (folder / "preprocessor_config.json").unlink()
    with pytest.raises(BrokenRanker, match="give processor=FOLDER"):
        HuggingFaceClip(str(folder), str(folder), device=torch.device("cpu"), dtype=torch.float32)


def test_golden_inputs_are_many_shapes_and_the_same_every_time():
    images = testing.sample_images()
    assert (
        len(images) == 16
        and len({image.size for image in images}) > 10
        and all(image.mode == "RGB" for image in images)
    )
    assert testing.inputs_id(images, testing.PROMPTS) == testing.inputs_id(
        testing.sample_images(), testing.PROMPTS
    )


def test_kendalls_tau_counts_ties():
    assert golden.tau([1, 2, 3], [1, 2, 3]) == 1 and golden.tau([1, 1, 2], [1, 2, 3]) == pytest.approx(
        2 / 6**0.5
    )
    assert golden.tau([1, 1], [2, 2]) == 1
