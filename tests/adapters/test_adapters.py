"""Rankers as reward functions of other trainers, asked as those trainers ask, with the tensors they pass."""

import inspect
import math
import pickle
import subprocess
import sys
import threading
from dataclasses import dataclass

import numpy as np
import pytest
from PIL import Image

import rankkit
from rankkit.adapters import ddpo, diffusion_nft, flow_grpo, reward_functions, trl_grpo, unirl, verl_omni
from rankkit.adapters.arrays import to_images
from rankkit.adapters.judge import Judge
from rankkit.errors import UnknownRanker, UsageError

torch = pytest.importorskip("torch")
COLORS = ((255, 0, 0), (0, 0, 255), (10, 200, 30))
PROMPTS = ["a red square", "a red square", "a green square"]


def images():
    return [Image.new("RGB", (6, 4), color) for color in COLORS]


def floats():
    """As a diffusion pipeline gives them: (N, 3, H, W), from 0 to 1."""
    return torch.stack([torch.tensor(np.asarray(image)).permute(2, 0, 1) / 255 for image in images()])


def expected(spec="prompt-color"):
    groups = [rankkit.Group(prompt, (image,)) for prompt, image in zip(PROMPTS, images(), strict=True)]
    return [ranking.scores[0] for ranking in rankkit.load_here(spec).rank(groups)]


@rankkit.pointwise
def moody(image, prompt, metadata):
    """Abstains for one prompt; else the metadata's bonus."""
    if prompt == "raise":
        raise ValueError("no such thing")
    return float(metadata.get("bonus", 0))


@rankkit.pairwise
def redder(first, second):
    """Prefers red."""
    return float(first.getpixel((0, 0))[0] > second.getpixel((0, 0))[0])


MOODY, REDDER = f"{__name__}:moody", f"{__name__}:redder"


# --- images as trainers hold them ---


@pytest.mark.parametrize(
    "given",
    [
        images,
        lambda: tuple(images()),
        floats,
        lambda: floats().requires_grad_(),
        lambda: list(floats()),
        lambda: (floats() * 255).round().to(torch.uint8),
        lambda: np.stack([np.asarray(image) for image in images()]),
        lambda: np.stack([np.asarray(image) for image in images()]) / 255,
        lambda: [np.asarray(image) for image in images()],
        lambda: [image.convert("RGBA") for image in images()],
    ],
)
def test_images_are_the_same_however_a_trainer_holds_them(given):
    assert [image.tobytes() for image in to_images(given())] == [image.tobytes() for image in images()]


def test_half_precision_pixels_are_the_nearest_8_bit_ones():
    for dtype in (torch.float16, torch.bfloat16):
        found = np.stack([np.asarray(image) for image in to_images(floats().to(dtype))]).astype(int)
        assert abs(found - np.stack([np.asarray(image) for image in images()])).max() <= 1


@pytest.mark.parametrize(
    "given, says",
    [
        (lambda: floats() * 255, "numbers from 0 to 255; floats go from 0 to 1"),
        (lambda: floats() * 2 - 1, "numbers from -1 to 1; floats go from 0 to 1"),
        (lambda: floats()[:, :1], r"shape \(1, 4, 6\); tensors are \(3, H, W\)"),
        (lambda: floats().numpy(), r"shape \(3, 4, 6\); tensors are \(3, H, W\), arrays \(H, W, 3\)"),
        (lambda: floats()[0, 0], r"the shape \(4, 6\); give \(N, 3, H, W\)"),
        (lambda: floats().long(), "is of int64; give uint8"),
        (lambda: "a.png", "images are str"),
        (lambda: ["a.png"], "image 0 is str"),
        (lambda: 3, "images are int"),
    ],
)
def test_what_is_no_image_is_refused_in_words(given, says):
    with pytest.raises(UsageError, match=says):
        to_images(given())


def test_an_image_with_pixels_that_are_no_numbers_has_no_score_and_the_others_have():
    broken = floats()
    broken[1, 0, 0, 0] = math.nan
    scores, errors = Judge("prompt-color").scores(broken, PROMPTS)
    assert math.isnan(scores[1]) and [scores[0], scores[2]] == [expected()[0], expected()[2]]
    assert errors == [None, "it has pixels that are no finite numbers", None]


# --- what all of them do ---


def test_a_name_that_names_no_ranker_is_said_when_the_reward_is_made():
    for make in (flow_grpo.reward, ddpo.reward, trl_grpo.reward, verl_omni.compute_score, unirl.scorer):
        with pytest.raises(UnknownRanker, match="did you mean sharpness"):
            make("sharpnes")


def test_no_weights_are_loaded_before_the_first_question():
    class Heavy:
        def __init__(self):
            raise AssertionError("built")

        def rank(self, groups):
            """Never reached."""

    globals()["Heavy"] = Heavy
    assert Judge(f"{__name__}:Heavy").kind == "listwise"


def test_a_ranker_object_will_do_in_place_of_a_name():
    scores, _ = flow_grpo.reward(rankkit.load("prompt-color"))(images(), PROMPTS, None)
    assert scores.tolist() == np.float32(expected()).tolist()


def test_a_judge_of_a_name_can_be_sent_to_another_process():
    assert pickle.loads(pickle.dumps(Judge("prompt-color"))).scores(images(), PROMPTS)[0] == expected()


def test_a_ranker_is_asked_by_one_thread_at_a_time():
    busy = []

    class Alone:
        def rank(self, groups):
            assert not busy, "two at a time"
            busy.append(1)
            threading.Event().wait(0.01)
            busy.clear()
            return [rankkit.Ranking((1.0,) * len(group.images)) for group in groups]

    judge, found = Judge(Alone()), []
    ask = lambda: found.append(judge.scores(images()[:2], ["p", "p"])[0])  # noqa: E731
    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert found == [[1.0, 1.0]] * 8


def test_a_ranker_that_compares_compares_images_of_one_prompt():
    scores, errors = Judge(REDDER).scores([*images()[:2], *images()[:2]], ["p", "p", "q", "q"])
    assert scores[0] > scores[1] and scores[2] > scores[3] and errors == [None] * 4
    with pytest.raises(UsageError, match="has only one of 'a green square'"):
        Judge(REDDER).scores(images(), PROMPTS)


@pytest.mark.parametrize(
    "prompts, metadata, says",
    [
        (["p"], None, "3 images came with 1 prompts and 3 metadata"),
        (PROMPTS, [{}], "3 images came with 3 prompts and 1 metadata"),
        (PROMPTS, ["x"] * 3, "metadata holds str"),
    ],
)
def test_lists_that_do_not_fit_are_refused(prompts, metadata, says):
    with pytest.raises(UsageError, match=says):
        Judge("prompt-color").scores(images(), prompts, metadata)


def test_a_ranker_that_cannot_go_on_ends_the_training():
    class Stops:
        def rank(self, groups):
            raise rankkit.RunStopped("the purse is empty")

    with pytest.raises(rankkit.RunStopped):
        flow_grpo.reward(Stops())(images(), ["p"] * 3, None)


# --- Flow-GRPO, DiffusionNFT, DDPO ---


@pytest.mark.parametrize("package", [flow_grpo, diffusion_nft, ddpo])
def test_rewards_are_those_of_the_ranker(package):
    function = package.reward("prompt-color")
    for metadata in (None, {}, [{}] * 3, ({}, {}, {}), [None] * 3):
        scores, info = function(floats(), tuple(PROMPTS), metadata)
        assert scores.dtype == np.float32 and torch.as_tensor(scores).shape == (3,)
        assert scores.tolist() == np.float32(expected()).tolist() and info == {"errors": [None] * 3}
    assert list(inspect.signature(function).parameters) == ["images", "prompts", "metadata"]


@pytest.mark.parametrize("package", [flow_grpo, diffusion_nft, ddpo])
def test_an_image_without_a_score_is_nan_and_never_zero(package):
    metadata = [{"bonus": 3}, {}, {"bonus": 5}]
    scores, info = package.reward(MOODY)(images(), ["p", "raise", "p"], metadata)
    assert scores[0] == 3 and math.isnan(scores[1]) and scores[2] == 5
    assert info == {"errors": [None, "ValueError: no such thing", None]}


@pytest.mark.parametrize("package", [flow_grpo, diffusion_nft])
def test_a_trainer_takes_its_advantages_from_avg(package):
    function = package.multi_score("prompt-color")
    for strict in (True, False):
        details, _ = function(floats(), PROMPTS, [{}] * 3, only_strict=strict)
        assert set(details) == {"prompt-color", "avg"}
        assert details["avg"].tolist() == np.float32(expected()).tolist()


# --- TRL ---


def trl(function, completions, prompts=PROMPTS, **columns):
    """As GRPOTrainer asks."""
    return function(
        prompts=prompts,
        completions=completions,
        completion_ids=[[1]] * len(prompts),
        trainer_state=object(),
        log_extra=print,
        log_metric=print,
        **columns,
    )


def test_trl_gets_a_list_of_floats_and_none_for_an_abstention():
    assert trl(trl_grpo.reward("prompt-color"), images()) == expected()
    function = trl_grpo.reward(MOODY)
    assert trl(function, images(), ["p", "raise", "p"], bonus=[1, 2, 3]) == [1.0, None, 3.0]
    assert function.__name__ == f"rankkit_{MOODY}"


def test_trl_conversations_hold_prompts_and_images():
    prompts = [[{"role": "user", "content": prompt}] for prompt in PROMPTS]
    prompts[0] = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": PROMPTS[0]}]}]
    answers = [
        [
            {
                "role": "assistant",
                "content": [{"type": "text", "text": "here"}, {"type": "image", "image": each}],
            }
        ]
        for each in images()
    ]
    assert trl(trl_grpo.reward("prompt-color"), answers, prompts) == expected()


def test_trl_text_is_drawn_by_render_and_has_no_reward_where_it_cannot_be():
    drawn = dict(zip(("r", "b", "g"), images(), strict=True))
    function = trl_grpo.reward("prompt-color", render=drawn.get)
    assert trl(function, ["r", "nonsense", "g"]) == [expected()[0], None, expected()[2]]
    conversation = [[{"role": "assistant", "content": name}] for name in "rbg"]
    assert trl(function, conversation) == expected()
    assert trl(function, ["x", "y", "z"]) == [None] * 3


def test_trl_text_without_render_is_refused_in_words():
    with pytest.raises(UsageError, match="text without an image; give reward"):
        trl(trl_grpo.reward("prompt-color"), ["<svg/>"] * 3)


# --- verl-omni ---


def test_verl_omni_asks_about_one_image_at_a_time():
    function = verl_omni.compute_score("prompt-color")
    pixels = (floats() * 255).round().to(torch.uint8)
    for solution in (pixels[0], pixels[:1]):
        said = function(
            data_source="x", solution_image=solution, ground_truth=PROMPTS[0], extra_info={"num_turns": None}
        )
        assert said == {"score": expected()[0], "error": ""}
    with pytest.raises(UsageError, match="holds 3 frames"):
        function("x", pixels, PROMPTS[0], {}, reward_router_address="here")


def test_verl_omni_is_told_nan_and_why():
    function = verl_omni.compute_score(MOODY)
    said = function("x", (floats()[0] * 255).to(torch.uint8), "raise", {})
    assert math.isnan(said["score"]) and said["error"] == "ValueError: no such thing"
    assert function("x", floats()[0], "p", {"bonus": 7}) == {"score": 7.0, "error": ""}


def test_a_ranker_that_compares_is_refused_where_single_images_are_asked_about():
    with pytest.raises(UsageError, match="is pairwise, it compares images of one prompt, and verl-omni asks"):
        verl_omni.compute_score(REDDER)


# --- UniRL ---


@dataclass(frozen=True)
class Item:
    """What its service gives a scorer."""

    history: list
    videos: tuple | None = None
    metadata: dict | None = None


def test_unirl_scores_the_last_turn_of_each_item():
    scorer = unirl.scorer("prompt-color")()
    items = [
        Item([("before", None), (prompt, image)]) for prompt, image in zip(PROMPTS, images(), strict=True)
    ]
    assert scorer.score(items) == [{"prompt-color": score} for score in expected()]
    assert scorer.score([]) == [] and scorer.close() is None
    assert (scorer.name, scorer.sub_metric_names) == ("prompt-color", ("prompt-color",))


def test_unirl_is_told_nan_for_what_has_no_score():
    scorer = unirl.scorer(MOODY)()
    found = scorer.score([Item([("raise", images()[0])]), Item([("p", images()[0])], metadata={"bonus": 2})])
    assert math.isnan(found[0][MOODY]) and found[1] == {MOODY: 2.0}
    with pytest.raises(UsageError, match="last turn has no image"):
        scorer.score([Item([("p", None)])])


# --- and back ---

back = flow_grpo.reward("prompt-color")


def test_a_reward_function_is_a_ranker_again():
    groups = [rankkit.Group(prompt, (image,)) for prompt, image in zip(PROMPTS, images(), strict=True)]
    found = [ranking.scores[0] for ranking in rankkit.load(f"{__name__}:back").rank(groups)]
    assert found == np.float32(expected()).tolist()


def redness(images, prompts, metadata, only_strict=True):
    """As published functions are: it takes a tensor or an array, and nothing else."""
    if isinstance(images, torch.Tensor):
        images = (images * 255).round().to(torch.uint8).numpy().transpose(0, 2, 3, 1)
    assert images.dtype == np.uint8 and len(images) == len(prompts) == len(metadata)
    return images[..., 0].mean((1, 2)) - [about.get("minus", 0) for about in metadata], {"n": len(images)}


red_by_array = reward_functions.ranker(redness)
red_by_tensor = reward_functions.ranker(
    redness, convert=lambda array: torch.tensor(array).permute(0, 3, 1, 2) / 255
)
named = reward_functions.ranker(lambda images, prompts, metadata: ({"avg": [1.0]}, {}))


@pytest.mark.parametrize("name", ["red_by_array", "red_by_tensor"])
def test_published_reward_functions_are_rankers_of_images_of_any_sizes(name):
    sizes = [(4, 4), (8, 2), (4, 4), (3, 3)]
    group = rankkit.Group("p", tuple(Image.new("RGB", size, (10 * i, 0, 0)) for i, size in enumerate(sizes)))
    minus = rankkit.Group("q", (Image.new("RGB", (4, 4), (50, 0, 0)),), metadata={"minus": 1})
    found = rankkit.load(f"{__name__}:{name}").rank([group, minus])
    assert [ranking.scores for ranking in found] == [(0.0, 10.0, 20.0, 30.0), (49.0,)]


def test_published_functions_of_scores_by_name_are_refused_in_words():
    (found,) = rankkit.load(f"{__name__}:named").rank([rankkit.Group("p", (images()[0],))])
    assert found.details[0]["error"] == "it returned a mapping (avg), not a list of scores"


def test_no_trainer_and_no_torch_is_imported():
    code = (
        "import sys\n"
        "from rankkit.adapters import ddpo, diffusion_nft, flow_grpo, trl_grpo, unirl, verl_omni\n"
        "assert not {'torch', 'trl', 'verl', 'flow_grpo', 'reward_service'} & set(sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
