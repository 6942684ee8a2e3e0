"""Rankers in two stages: prepared ahead in threads, scored in full batches, failing one by one."""

import math
import threading

import numpy as np
import pytest
from PIL import Image

from rankkit import Group, Pointwise, RunStopped, Scored, build
from rankkit.core.calling import rank_groups
from rankkit.core.two_stage import Made, PreparedGroup, make
from rankkit.errors import BrokenRanker


def grey(*values, prompt="a cat", **more):
    """A group of small grey images; an image's red channel is its quality."""
    return Group(prompt, tuple(Image.new("RGB", (2, 2), (value, value, value)) for value in values), **more)


class Levels(Pointwise):
    """The red channel, read in the first stage."""

    batch_size = 4

    def __init__(self, fails=(), breaks=()):
        self.fails, self.breaks, self.seen, self.batches = fails, breaks, [], []

    def prepare(self, image):
        level = image.getpixel((0, 0))[0]
        self.seen.append((level, threading.get_ident()))
        if level in self.fails:
            raise ValueError(f"{level} cannot be prepared")
        return np.full(3, level)

    def score(self, prepared, prompts):
        levels = [int(made[0]) for made in prepared]
        self.batches.append(levels)
        if set(levels) & set(self.breaks):
            raise RuntimeError("the model fails")
        return [level + len(prompt) / 1000 for level, prompt in zip(levels, prompts, strict=True)]


def scores(rankings):
    return [[round(score) for score in ranking.scores if not math.isnan(score)] for ranking in rankings]


def test_batches_are_full_across_groups_and_answers_come_back_to_their_groups():
    ranker = Levels()
    rankings = ranker.rank([grey(1, 2, 3), grey(4, 5, 6, prompt="a longer prompt"), Group("", ()), grey(7)])
    assert ranker.batches == [[1, 2, 3, 4], [5, 6, 7]]
    assert [ranking.scores for ranking in rankings] == [
        (1.005, 2.005, 3.005),
        (4.015, 5.015, 6.015),
        (),
        (7.005,),
    ]
    assert {ranking.kind for ranking in rankings} == {"pointwise"}


def test_images_are_prepared_in_other_threads_and_each_object_once():
    ranker, group = Levels(), grey(1, 2, 3)
    (ranking,) = ranker.rank([Group("a cat", (*group.images, *group.images))])
    assert ranking.scores == (1.005, 2.005, 3.005) * 2
    assert sorted(level for level, _ in ranker.seen) == [1, 2, 3]
    assert threading.get_ident() not in {thread for _, thread in ranker.seen}


def test_the_next_batch_is_prepared_while_one_is_scored():
    ready = threading.Event()

    class Waits(Levels):
        def prepare(self, image):
            made = super().prepare(image)
            if made[0] == 8:
                ready.set()
            return made

        def score(self, prepared, prompts):
            assert prepared[0][0] != 1 or ready.wait(30), "the second batch was not prepared in time"
            return super().score(prepared, prompts)

    (ranking,) = Waits().rank([grey(*range(1, 9))])
    assert scores([ranking]) == [list(range(1, 9))]


def test_an_image_that_cannot_be_prepared_abstains_alone_and_batches_stay_full():
    ranker = Levels(fails=[2, 5])
    rankings = ranker.rank([grey(1, 2, 3), grey(4, 5, 6)])
    assert ranker.batches == [[1, 3, 4, 6]]
    assert scores(rankings) == [[1, 3], [4, 6]]
    assert rankings[0].details[1] == {"error": "ValueError: 2 cannot be prepared"}


def test_a_batch_that_fails_is_scored_one_by_one_and_the_others_are_not():
    ranker = Levels(breaks=[6])
    (ranking,) = ranker.rank([grey(*range(1, 10))])
    assert ranker.batches == [[1, 2, 3, 4], [5, 6, 7, 8], [9], [5], [6], [7], [8]]
    assert scores([ranking]) == [[1, 2, 3, 4, 5, 7, 8, 9]]
    assert ranking.details[5] == {"error": "RuntimeError: the model fails"}


def test_answers_may_come_later_and_are_waited_for_when_all_batches_are_under_way():
    events = []

    class Later(Levels):
        def score(self, prepared, prompts):
            found, batch = super().score(prepared, prompts), int(prepared[0][0])
            events.append(f"begin {batch}")

            def answers():
                events.append(f"end {batch}")
                return [Scored(score, details={"later": True}) for score in found]

            return answers

    (ranking,) = Later().rank([grey(*range(1, 10))])
    assert events == ["begin 1", "begin 5", "begin 9", "end 1", "end 5", "end 9"]
    assert scores([ranking]) == [list(range(1, 10))] and ranking.details[8] == {"later": True}
    long = Later()
    events.clear()
    assert scores(long.rank([grey(*range(1, 61))])) == [list(range(1, 61))]
    assert events[3:7] == ["begin 13", "end 1", "begin 17", "end 5"], "the model waits for nobody in between"


def test_answers_that_fail_later_are_asked_for_one_by_one():
    class Later(Levels):
        def score(self, prepared, prompts):
            return lambda: super(Later, self).score(prepared, prompts)

    (ranking,) = Later(breaks=[2]).rank([grey(1, 2, 3)])
    assert scores([ranking]) == [[1, 3]] and "the model fails" in ranking.details[1]["error"]


def test_what_stops_the_run_stops_it_in_either_stage():
    class Stops(Levels):
        def prepare(self, image):
            raise RunStopped("no more")

    with pytest.raises(RunStopped):
        Stops().rank([grey(1, 2)])
    with pytest.raises(RunStopped):
        rank_groups(Stops(), [grey(1), grey(2)], "stops")


def test_what_was_made_ahead_is_scored_and_not_made_again():
    ranker, group = Levels(), grey(1, 2, 3)
    made = tuple((image, make(ranker.prepare, image)) for image in group.images[:2])
    ranker.seen.clear()
    (ranking,) = ranker.rank([PreparedGroup(group.prompt, group.images, made=made, by=ranker)])
    assert ranking == Levels().rank([group])[0]
    assert [level for level, _ in ranker.seen] == [3]


def test_what_another_ranker_made_and_what_belongs_to_no_image_of_the_group_is_not_used():
    ranker, group, other = Levels(), grey(1, 2), grey(9)
    wrong = tuple((image, Made(np.full(3, 200))) for image in group.images)
    for prepared in (
        PreparedGroup("a cat", group.images, made=wrong, by=Levels()),
        PreparedGroup("a cat", group.images, made=((other.images[0], wrong[0][1]),), by=ranker),
    ):
        assert scores(ranker.rank([prepared])) == [[1, 2]]


def test_two_stages_that_do_not_fit_each_other_are_refused_when_the_ranker_is_built():
    class Half(Pointwise):
        def score(self, prepared):
            return [0.0] * len(prepared)

    class Awaits(Half):
        async def prepare(self, image):
            return image

    class Zero(Half):
        batch_size = 0
        prepare = staticmethod(np.asarray)

    for target in (Half, Awaits):
        with pytest.raises(
            BrokenRanker, match=rf"{target.__name__}\.score asks for prepared.*define prepare"
        ):
            build(target)
    with pytest.raises(BrokenRanker, match="Zero has batch_size = 0; it is a whole number from 1 on"):
        build(Zero)


def test_images_are_not_given_beside_what_was_made_of_them():
    class Both(Levels):
        def score(self, prepared, images):
            return [0.0] * len(images)

    with pytest.raises(
        BrokenRanker, match="'images', which rankkit cannot give.*prepared, prompts, metadata;"
    ):
        Both().rank([grey(1)])
    with pytest.raises(BrokenRanker, match="'prepared', which rankkit cannot give"):
        build(lambda prepared, image: 0)


def test_a_method_named_prepare_means_nothing_where_the_score_asks_for_images():
    class Old(Pointwise):
        batch_size = "auto"

        def prepare(self):
            raise AssertionError

        def score(self, images):
            return [image.getpixel((0, 0))[0] for image in images]

    assert scores(build(Old).rank([grey(1, 2)])) == [[1, 2]]
