"""mmdet's checkpoint under transformers' names, without the checkpoint: names, shapes, values and outputs."""

import pytest
import torch
import torch.nn.functional as F
from geneval_mmdet import inverse, random_state, shapes, tiny_config
from safetensors.torch import load_file, save_file
from transformers import Mask2FormerForUniversalSegmentation

from rankkit import RankkitError
from rankkit_geneval.detector.convert import convert, unpermuted
from rankkit_geneval.detector.weights import (
    IMPLIED,
    OFFICIAL_SHA256,
    convert_file,
    load,
    official_config,
    resolve,
    sha256,
)
from rankkit_geneval.vocabulary import CLASSES

MMDET_LAYER = "panoptic_head.transformer_decoder.layers.1."


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)
    torch.manual_seed(0)


def hub_names(config, folder):
    """What save_pretrained calls the weights of this architecture: name to shape."""
    torch.manual_seed(0)
    Mask2FormerForUniversalSegmentation(config).save_pretrained(folder)
    return {
        name: tuple(value.shape)
        for name, value in load_file(folder / "model.safetensors").items()
        if not IMPLIED.search(name)
    }


def module_of(state, folder, name):
    """The module with this name's end in the model that mmdet's state converts to, in float64."""
    save_file(convert(state), folder / "model.safetensors", metadata={"format": "pt"})
    tiny_config().save_pretrained(folder)
    return next(module.double() for key, module in load(folder).named_modules() if key.endswith(name))


def random_state64():
    """mmdet's tiny state with float64 copies of its weights: what follows is then exact but for 1e-9."""
    state = random_state(tiny_config())
    return state, {name: value.double() for name, value in state.items()}


def randn(*shape):
    return torch.randn(*shape, dtype=torch.float64)


def outputs(model):
    torch.manual_seed(1)
    with torch.no_grad():
        found = model.eval()(torch.randn(2, 3, 64, 96))
    return found.class_queries_logits, found.masks_queries_logits


def test_the_converted_names_and_shapes_are_exactly_those_of_the_hub(tmp_path):
    config = tiny_config()
    converted = {name: tuple(value.shape) for name, value in convert(random_state(config)).items()}
    assert converted == hub_names(config, tmp_path)


def test_the_official_architecture_has_exactly_the_converted_names_and_shapes(tmp_path):
    config = official_config()
    state = {name: torch.empty(shape, device="meta") for name, shape in shapes(config).items()}
    converted = {name: tuple(value.shape) for name, value in convert(state).items()}
    assert converted == hub_names(config, tmp_path)
    assert 68e6 < sum(torch.Size(shape).numel() for shape in converted.values()) < 70e6


def test_converting_loses_nothing_the_way_back_is_exact():
    state = random_state(tiny_config())
    back = inverse(convert(state))
    kept = {name for name in state if not name.endswith("relative_position_index")}
    assert set(back) == kept
    assert all(torch.equal(back[name], state[name]) for name in kept)


def test_a_model_that_went_to_mmdets_names_and_back_gives_the_same_outputs(tmp_path):
    torch.manual_seed(0)
    model = Mask2FormerForUniversalSegmentation(tiny_config())
    for parameter in model.parameters():  # biases and position tables that start at zero would hide a swap
        torch.nn.init.normal_(parameter, std=0.2)
    model.save_pretrained(tmp_path / "hub")
    again = convert(inverse(load_file(tmp_path / "hub" / "model.safetensors")))
    (tmp_path / "again").mkdir()
    save_file(again, tmp_path / "again" / "model.safetensors", metadata={"format": "pt"})
    model.config.save_pretrained(tmp_path / "again")
    for before, after in zip(outputs(model), outputs(load(tmp_path / "again")), strict=True):
        assert torch.equal(before, after)


def test_patch_merging_in_mmdets_order_of_pixels_gives_the_same_after_conversion(tmp_path):
    written, state = random_state64()
    merging = module_of(written, tmp_path, "layers.0.downsample")
    norm, reduction = torch.nn.LayerNorm(48), torch.nn.Linear(48, 24, bias=False)
    norm.weight.data, norm.bias.data = (
        state[f"backbone.stages.0.downsample.norm.{kind}"] for kind in ("weight", "bias")
    )
    reduction.weight.data = state["backbone.stages.0.downsample.reduction.weight"]
    x_NCHW = randn(2, 12, 8, 10)
    official = reduction(norm(torch.nn.functional.unfold(x_NCHW, 2, stride=2).transpose(1, 2)))
    assert torch.allclose(merging(x_NCHW.flatten(2).transpose(1, 2), (8, 10)), official, atol=1e-9)


def test_window_attention_with_fused_weights_gives_the_same_after_conversion(tmp_path):
    name = "backbone.stages.1.blocks.0.attn.w_msa."
    written, state = random_state64()
    attention = module_of(written, tmp_path, "layers.1.blocks.0.attention")
    x_BLC, heads = randn(4, 9, 24), 2
    with torch.no_grad():
        answer = attention(x_BLC)
    q, k, v = (
        torch.nn.functional.linear(x_BLC, state[name + "qkv.weight"], state[name + "qkv.bias"])
        .reshape(4, 9, 3, heads, 12)
        .permute(2, 0, 3, 1, 4)
    )
    # mmdet's double_step_seq for a window of 3
    steps = torch.tensor([row * 5 + column for row in range(3) for column in range(3)])
    index = (steps[:, None] + steps[None, :]).flip(1)
    bias = state[name + "relative_position_bias_table"][index].permute(2, 0, 1)
    mixed = ((q * 12**-0.5) @ k.transpose(-1, -2) + bias).softmax(-1) @ v
    official = torch.nn.functional.linear(
        mixed.transpose(1, 2).reshape(4, 9, 24), state[name + "proj.weight"], state[name + "proj.bias"]
    )
    assert torch.allclose(answer[0] if isinstance(answer, tuple) else answer, official, atol=1e-9)


def test_a_decoder_layer_is_mmdets_after_conversion(tmp_path):
    written, state = random_state64()
    layer = module_of(written, tmp_path, "transformer_module.decoder.layers.1")
    mine = {
        name.removeprefix(MMDET_LAYER): value for name, value in state.items() if name.startswith(MMDET_LAYER)
    }
    query, place = randn(2, 9, 2, 32)  # (queries, batch, channels)
    memory, where = randn(2, 12, 2, 32)
    with torch.no_grad():
        mask = torch.zeros(2 * 4, 9, 12, dtype=torch.bool)
        answer = layer(
            query,
            level_index=0,
            attention_mask=mask,
            position_embeddings=[where],
            query_position_embeddings=place,
            encoder_hidden_states=[memory],
        )[0]

    def attend(number, q, k, v):
        weights = (
            mine[f"attentions.{number}.attn.{name}"]
            for name in ("in_proj_weight", "in_proj_bias", "out_proj.weight", "out_proj.bias")
        )
        w, b, out, out_bias = weights
        q, k, v = (
            F.linear(x, *pair).unflatten(-1, (4, 8))
            for x, *pair in zip((q, k, v), w.chunk(3), b.chunk(3), strict=True)
        )
        share = torch.einsum("qbhd,kbhd->bhqk", q, k).div(8**0.5).softmax(-1)
        return F.linear(torch.einsum("bhqk,kbhd->qbhd", share, v).flatten(-2), out, out_bias)

    def normed(number, x):
        return F.layer_norm(x, (32,), mine[f"norms.{number}.weight"], mine[f"norms.{number}.bias"])

    # cross, norm, self, norm, feed-forward, norm
    x = normed(0, query + attend(0, query + place, memory + where, memory))
    x = normed(1, x + attend(1, x + place, x + place, x))
    hidden = F.linear(x, mine["ffns.0.layers.0.0.weight"], mine["ffns.0.layers.0.0.bias"]).relu()
    x = normed(2, x + F.linear(hidden, mine["ffns.0.layers.1.weight"], mine["ffns.0.layers.1.bias"]))
    assert torch.allclose(answer, x, atol=1e-9)


def test_unpermuting_is_undone_by_its_inverse_for_norms_and_matrices():
    vector, matrix = torch.randn(24), torch.randn(5, 24)
    for merging in (vector, matrix):
        apart = unpermuted(merging).reshape(*merging.shape[:-1], 4, -1)[..., [0, 2, 1, 3], :]
        assert torch.equal(apart.transpose(-1, -2).reshape(merging.shape), merging)


def test_a_checkpoint_file_becomes_a_folder_that_loads_with_nothing_missing(tmp_path):
    config = tiny_config()
    torch.save(
        {"meta": {"epoch": 50, "CLASSES": ("person",)}, "state_dict": random_state(config)},
        tmp_path / "m.pth",
    )
    digest = convert_file(tmp_path / "m.pth", tmp_path / "out", config=config)
    assert digest == sha256(tmp_path / "m.pth")
    assert resolve(str(tmp_path / "out")) == (str(tmp_path / "out"), digest[:8])
    assert load(tmp_path / "out").config.num_labels == 80
    with pytest.raises(RankkitError, match="is there already and is not empty"):
        convert_file(tmp_path / "m.pth", tmp_path / "out", config=config)


def test_a_checkpoint_of_another_size_leaves_no_folder_behind(tmp_path):
    torch.save({"state_dict": random_state(tiny_config())}, tmp_path / "m.pth")
    other = tiny_config()
    other.num_queries = 5
    with pytest.raises(RankkitError, match=r"cannot be loaded|are not those of the detector"):
        convert_file(tmp_path / "m.pth", tmp_path / "out", config=other)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m.pth"]


def test_a_weight_that_is_missing_is_named(tmp_path):
    config = tiny_config()
    state = convert(random_state(config))
    del state["model.transformer_module.decoder.layernorm.bias"]
    save_file(state, tmp_path / "model.safetensors", metadata={"format": "pt"})
    config.save_pretrained(tmp_path)
    with pytest.raises(
        RankkitError, match=r"missing_keys model\.transformer_module\.decoder\.layernorm\.bias"
    ):
        load(tmp_path)


def test_a_checkpoint_of_another_model_is_refused_with_its_names():
    with pytest.raises(RankkitError, match=r"2 tensors.*layer1\.weight, fc\.bias"):
        convert({"layer1.weight": torch.zeros(1), "fc.bias": torch.zeros(1)})
    with pytest.raises(RankkitError, match="it has no class head"):
        convert({})


def test_a_file_with_code_in_it_is_not_run(tmp_path):
    class Malice:
        def __reduce__(self):
            return (open, (str(tmp_path / "ran"), "w"))

    torch.save({"state_dict": Malice()}, tmp_path / "m.pth")
    with pytest.raises(RankkitError, match="cannot be read as weights alone"):
        convert_file(tmp_path / "m.pth", tmp_path / "out")
    assert not (tmp_path / "ran").exists()


def test_a_checkpoint_that_is_not_there_is_named_with_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(RankkitError, match=r"nowhere\.pth: no such file; give mmdet's mask2former_swin-s"):
        convert_file(tmp_path / "nowhere.pth", tmp_path / "out")
    with pytest.raises(RankkitError, match=r"holds no model\.safetensors; get mmdet's"):
        resolve(str(tmp_path))
    with pytest.raises(RankkitError, match=r"no/such.*python -m rankkit_geneval convert"):
        load("no/such")


def test_the_official_configuration_is_the_published_one():
    config = official_config()
    assert (config.num_labels, config.num_queries, config.decoder_layers, config.encoder_layers) == (
        80,
        100,
        10,
        6,
    )
    assert [config.id2label[i] for i in range(80)] == list(CLASSES)
    assert OFFICIAL_SHA256.startswith("743b7d99")


def test_a_checkpoint_file_is_converted_once_into_the_cache(tmp_path):
    kept = {"cache": tmp_path / "cache", "config": tiny_config()}
    torch.save({"state_dict": random_state(tiny_config())}, tmp_path / "m.pth")
    folder, known = resolve(str(tmp_path / "m.pth"), **kept)
    written = (tmp_path / "cache" / sha256(tmp_path / "m.pth")[:16] / "model.safetensors").stat().st_mtime_ns
    assert (
        resolve(str(tmp_path / "m.pth"), **kept)
        == (folder, known)
        == (folder, sha256(tmp_path / "m.pth")[:8])
    )
    assert (
        tmp_path / "cache" / sha256(tmp_path / "m.pth")[:16] / "model.safetensors"
    ).stat().st_mtime_ns == written
    assert load(folder).config.num_queries == tiny_config().num_queries
