"""Requests that a server finds too large: images are made smaller, and what fits is remembered."""

import math

import pytest
from PIL import Image

import rankkit
from rankkit import RunStopped
from rankkit_vlm_judge.testing.manners import image_urls, open_image

TOO_LARGE = ["context-length", "decoder-prompt", "physical-batch", "entity-too-large", "context-in-200"]


def greys_of(side, *levels, prompt="a bright image", id=""):
    images = tuple(Image.new("RGB", (side, side // 2), (level, level, level)) for level in levels)
    return rankkit.Group(prompt, images, id)


def sides(fake):
    """The longer side of the images of each request after the first."""
    return [max(max(open_image(url).size) for url in image_urls(body)) for body in fake.requests[1:]]


@pytest.mark.parametrize("manner", TOO_LARGE)
def test_images_are_made_smaller_step_by_step_and_the_size_that_fits_is_remembered(load, fake, manner):
    fake.play(manner)
    (ranking,) = load(concurrency=1).rank([greys_of(400, 40, 120, 200)])
    assert ranking.ranks == (3, 2, 1) and ranking.details[0]["judge"]["failed_calls"] == 0
    assert sides(fake) == [400, 280, 196, *[196] * 5]
    assert ranking.details[0]["shown_at_most"] == 196


def test_small_images_of_the_same_run_are_judged_as_they_are(load, fake):
    fake.play("context-length")
    small, large, others = load(concurrency=1).rank(
        [greys_of(100, 40, 200), greys_of(400, 50, 210), greys_of(150, 60, 220)]
    )
    assert small.ranks == large.ranks == others.ranks == (2, 1)
    assert sides(fake) == [100, 100, 400, 280, 196, 196, 150, 150]


def test_many_requests_at_once_need_no_more_than_a_few_tries_each(load, fake):
    fake.play("context-length")
    (ranking,) = load().rank([greys_of(400, *range(10, 250, 40))])
    assert ranking.ranks == (6, 5, 4, 3, 2, 1) and len(fake.requests) <= 1 + 3 * 30


def no_room_for(word):
    """A server whose context is full once a caption holds this word."""
    complaint = {"error": {"message": "the request exceeds the available context size"}}
    return lambda number, body: (400, complaint) if word in str(body["messages"]) else None


def test_a_caption_that_leaves_no_room_costs_its_own_group_only_and_says_what_to_do(load, fake):
    fake.fault = no_room_for("endless")
    full, judged = load(concurrency=1).rank(
        [greys_of(400, 10, 60, 110, 160, prompt="endless"), greys_of(400, 40, 200)]
    )
    assert all(math.isnan(score) for score in full.scores) and judged.ranks == (2, 1)
    assert full.details[0]["judge"]["failures"] == {"oversized": 12}
    assert (
        "images of 64 pixels did not fit" in full.details[0]["error"]
        and "max_side=" in full.details[0]["error"]
    )
    assert sides(fake)[-2:] == [400, 400] and len(fake.requests) < 30


def test_the_size_that_a_long_caption_needs_is_not_asked_of_short_ones(load, fake):
    def crowded(number, body):
        room = 400 if len(str(body["messages"][1]["content"][0])) < 2000 else 200
        large = any(max(open_image(url).size) > room for url in image_urls(body))
        return (413, b"too large") if large else None

    fake.fault = crowded
    long, short = load(concurrency=1).rank(
        [greys_of(400, 40, 200, prompt="bright " * 500), greys_of(400, 40, 200)]
    )
    assert long.ranks == short.ranks == (2, 1) and sides(fake) == [400, 280, 196, 196, 400, 400]


def test_a_server_without_room_for_the_smallest_images_is_said_at_once(load, fake):
    fake.fault = no_room_for("caption")
    with pytest.raises(RunStopped, match=r"brightness-1 cannot judge: .*--ctx-size\), or set max_side="):
        load()


@pytest.mark.parametrize(
    "words", ["max_tokens is too large: 512", "The request took too long to process", "image too thin"]
)
def test_complaints_about_something_else_make_no_image_smaller(load, fake, words):
    fake.fault = lambda number, body: (400, {"error": {"message": words}}) if number else None
    load(concurrency=1).rank([greys_of(400, 40, 200)])
    assert sides(fake) == [400, 400]
