"""The shapes world: its prompts, its corpus, and a detector that must be right on what the renderer draws."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from drpo.shapes.corpus import draws, scene
from drpo.shapes.detector import FoundObject, Shapes, detect, judge
from drpo.shapes.render import Scene, Thing, images
from drpo.shapes.world import SIZES, TASKS, Clause, Task, every_prompt, parse, prompts
from rankkit import Group, RankkitError

STRICT, GRADED = Shapes(mode="strict"), Shapes()


def truth(things: Scene) -> list[FoundObject]:
    """What a perfect detector would find."""
    boxes = [
        tuple(round(v) for v in (t.x - t.radius, t.y - t.radius, t.x + t.radius, t.y + t.radius))
        for t in things
    ]
    return [FoundObject(t.shape, t.color, box, 1.0) for t, box in zip(things, boxes, strict=True)]  # type: ignore[arg-type]


def drawn(task: Task, rng: np.random.Generator, *, mistakes: float) -> tuple[str, Scene]:
    """A prompt of the task and a scene for it, objects moved and resized a little off the corpus' grid."""
    pool = list(every_prompt(task))
    prompt = pool[rng.integers(len(pool))]
    things = scene(parse(prompt), list(rng.random(8)), mistakes=mistakes)
    moves = rng.uniform((-1, -1, 4.7), (1, 1, 6.2), (len(things), 3))
    return prompt, tuple(
        replace(t, x=t.x + x, y=t.y + y, radius=r) for t, (x, y, r) in zip(things, moves, strict=True)
    )


@pytest.mark.parametrize("task", TASKS)
def test_the_detector_passes_at_least_98_percent_of_right_images(task: Task) -> None:
    rng = np.random.default_rng(0)
    cases = [drawn(task, rng, mistakes=1e-9) for _ in range(400)]
    scored = STRICT.score(images([things for _, things in cases]), [prompt for prompt, _ in cases])
    assert np.mean([one.score for one in scored]) >= 0.98


@pytest.mark.parametrize("task", TASKS)
def test_the_detector_passes_at_most_2_percent_of_images_of_something_else(task: Task) -> None:
    rng = np.random.default_rng(1)
    cases = [
        (prompt, drawn(TASKS[rng.integers(6)], rng, mistakes=0.5)[1])
        for prompt, _ in (drawn(task, rng, mistakes=0.5) for _ in range(800))
    ]
    wrong = [(prompt, things) for prompt, things in cases if not judge(truth(things), parse(prompt))[0]]
    scored = STRICT.score(images([things for _, things in wrong]), [prompt for prompt, _ in wrong])
    assert len(wrong) > 300 and np.mean([one.score for one in scored]) <= 0.02


@pytest.mark.parametrize("task", TASKS)
def test_the_corpus_is_wrong_as_often_as_it_says_and_the_noise_decides(task: Task) -> None:
    rng = np.random.default_rng(2)
    noise = rng.standard_normal((500, 16, 4, 4), np.float32)
    pool = list(every_prompt(task))
    asked = [parse(pool[i % len(pool)]) for i in range(len(noise))]
    scenes = [scene(request, u) for request, u in zip(asked, draws(noise), strict=True)]
    right = np.mean([judge(truth(things), request)[0] for things, request in zip(scenes, asked, strict=True)])
    assert 0.5 < right < 0.66
    assert scenes == [scene(request, u) for request, u in zip(asked, draws(noise.copy()), strict=True)]


def test_a_right_image_beats_every_wrong_one_in_graded_mode() -> None:
    rng = np.random.default_rng(3)
    cases = [drawn(task, rng, mistakes=0.5) for task in TASKS for _ in range(100)]
    rendered, asked = images([things for _, things in cases]), [prompt for prompt, _ in cases]
    strict = np.array([one.score for one in STRICT.score(rendered, asked)])
    graded = np.array([one.score for one in GRADED.score(rendered, asked)])
    assert graded[strict == 1].min() > graded[strict == 0].max() and graded.min() >= 0 and graded.max() <= 1


def test_until_right_tells_wrong_images_apart_and_no_right_ones() -> None:
    rng = np.random.default_rng(4)
    cases = [drawn(task, rng, mistakes=0.5) for task in TASKS for _ in range(50)]
    rendered, asked = images([things for _, things in cases]), [prompt for prompt, _ in cases]
    right = np.array([one.score for one in STRICT.score(rendered, asked)]) == 1
    graded = np.array([one.score for one in GRADED.score(rendered, asked)])
    found = np.array([one.score for one in Shapes(mode="until_right").score(rendered, asked)])
    assert (found[right] == 1).all() and (found[~right] == graded[~right]).all() and len({*found[~right]}) > 9


def test_the_splits_are_disjoint_and_hold_every_task() -> None:
    splits = {name: prompts(name) for name in SIZES}
    assert len({prompt for split in splits.values() for prompt in split}) == sum(map(len, splits.values()))
    for split in splits.values():
        assert {parse(prompt).task for prompt in split} == set(TASKS)
    assert all(sum(parse(prompt).task == task for prompt in splits["final"]) >= 6 for task in TASKS)


def test_in_a_position_prompt_the_second_object_is_the_target() -> None:
    assert parse("a photo of a circle above a cross").clauses == (
        Clause("cross"),
        Clause("circle", relation="above"),
    )
    above = images([(Thing("circle", "red", 16, 8), Thing("cross", "blue", 16, 24))])
    assert STRICT.score(above, ["a photo of a circle above a cross"])[0].score == 1
    assert STRICT.score(above, ["a photo of a cross above a circle"])[0].score == 0


def test_extra_objects_fail_counting_and_nothing_else() -> None:
    three = images([tuple(Thing("circle", "red", x, 16, 4.7) for x in (5, 16, 27))])
    assert [STRICT.score(three, [f"a photo of {n} circles"])[0].score for n in ("two", "three", "four")] == [
        0,
        1,
        0,
    ]
    assert STRICT.score(three, ["a photo of a red circle"])[0].score == 1


@pytest.mark.parametrize(
    "prompt", ["a circle", "a red circle", "a circle and a square", "a circle left of a square"]
)
def test_what_nobody_asked_for_costs_credit_but_does_not_make_an_image_wrong(prompt: str) -> None:
    asked = [Thing("circle", "red", 8, 8)] + [Thing("square", "blue", 24, 8)] * ("square" in prompt)
    extras: list[list[Thing]] = [
        [],
        [Thing("circle", "red", 8, 24)],
        [Thing("cross", "green", 8, 24), Thing("cross", "green", 24, 24)],
    ]
    rendered = images([(*asked, *extra) for extra in extras])
    assert [one.score for one in STRICT.score(rendered, [f"a photo of {prompt}"] * 3)] == [1, 1, 1]
    alone, one, two = (scored.score for scored in GRADED.score(rendered, [f"a photo of {prompt}"] * 3))
    assert alone > 0.9 and alone - 0.2 > one > two > 0.5


def test_an_empty_or_noisy_image_shows_nothing() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)
    assert detect(Image.new("RGB", (32, 32))) == [] and detect(Image.fromarray(noise)) == []


def test_the_ranker_orders_groups_and_gives_its_evidence() -> None:
    rendered = images([(Thing("circle", "red", 16, 16),), (Thing("circle", "blue", 16, 16),)])
    (ranking,) = GRADED.rank([Group("a photo of a blue circle", tuple(rendered))])
    assert ranking.ranks == (2.0, 1.0) and ranking.details[0]["objects"][0]["name"] == "red circle"


def test_a_prompt_of_another_world_is_refused_by_name() -> None:
    with pytest.raises(RankkitError, match="a cat"):
        STRICT.score([Image.new("RGB", (32, 32))], ["a cat"])
