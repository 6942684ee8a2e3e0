"""Which images are shown next, and what undo, ties, skips and restarts do to it."""

import itertools
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from labelled import candidates, prefer_later, session

from rankkit.choose.label.answers import AnswerFile, standing
from rankkit.choose.label.beliefs import belief
from rankkit.choose.label.questions import APART
from rankkit.choose.label.session import Session
from rankkit.core import aggregate
from rankkit.errors import UsageError


def test_the_posterior_is_that_of_bradley_terry():
    W = np.random.default_rng(0).integers(0, 3, (7, 7)) * (1 - np.eye(7))
    theta, covariance = aggregate.posterior(W, prior=0.1)
    utilities, stderr = aggregate.bradley_terry(W, prior=0.1)
    assert np.allclose(theta, utilities) and np.allclose(np.diag(covariance) - 1 / 0.7, stderr**2)


@settings(max_examples=40, deadline=None)
@given(n=st.integers(2, 7), top=st.integers(1, 8), seed=st.integers(0, 10**6))
def test_gains_are_those_of_pairs_and_chances_are_chances(n, top, seed):
    W = np.random.default_rng(seed).integers(0, 4, (n, n)) * (1 - np.eye(n))
    found = belief(W, top)
    assert np.allclose(found.gain, found.gain.T) and (found.gain >= 0).all() and not np.diag(found.gain).any()
    assert ((found.among_top >= 0) & (found.among_top <= 1)).all()
    assert found.among_top.sum() == pytest.approx(min(top, n - 1))
    assert 0 < found.settled <= 1


def test_a_pair_that_decides_the_top_tells_more_than_one_below_or_one_that_is_known():
    W = np.zeros((4, 4))
    W[:2, 2:] = 6  # the first two beat the others, and never met
    gain = belief(W).gain
    assert gain[0, 1] == gain.max() and gain[0, 1] > 5 * gain[2, 3] and gain[0, 1] > 5 * gain[0, 2]


def test_two_images_are_settled_by_a_few_like_answers_and_equals_by_many_ties():
    W = np.zeros((2, 2))
    assert not belief(W).done
    W[0, 1] = 1
    assert not belief(W).done
    W[0, 1] = 3
    assert belief(W).done and belief(W).settled > 0.85
    ties = np.array([[0, 6.0], [6, 0]])
    assert belief(ties).done and belief(ties).settled < 0.55, "more answers would tell little"


@pytest.mark.parametrize("four", [False, True])
def test_answers_find_the_best_image_and_then_say_that_it_is_settled(tmp_path, four):
    work = session(tmp_path / "labels.jsonl", candidates(8), candidates(5, "a dog", "dogs"), four=four)
    for _ in range(100):
        if work.progress().done:
            break
        prefer_later(work)
    assert work.progress().done and work.progress().questions < 60
    beliefs = [work._questions.belief(k) for k in (0, 1)]
    assert [int(each.utilities.argmax()) for each in beliefs] == [7, 4]
    assert work.question is not None, "whoever goes on is asked on"


def test_sides_and_random_pairs_are_fair(tmp_path):
    work = session(tmp_path / "labels.jsonl", candidates(4), candidates(4, "a dog", "dogs"))
    asked = [work._questions.next() for _ in range(4000)]
    left = np.mean([each.places[0] < each.places[1] for each in asked])
    assert abs(left - 0.5) < 0.04
    drawn = [(each.prompt, *sorted(each.places)) for each in asked if each.pick == "random"]
    assert abs(len(drawn) / 4000 - 0.25) < 0.03, (
        "a fifth, and what would repeat where nothing can be repeated"
    )
    counts = [drawn.count((k, i, j)) for k in (0, 1) for i, j in itertools.combinations(range(4), 2)]
    assert min(counts) > 0.5 * len(drawn) / 12


def test_a_repetition_swaps_the_sides_comes_later_and_comes_once(tmp_path):
    work = session(tmp_path / "labels.jsonl", candidates(8), seed=3)
    for _ in range(120):
        prefer_later(work)
    answers = work.file.answers
    order = [each.question for each in answers]
    repeats = [each for each in answers if each.pick == "repeat"]
    assert repeats and len({each.repeats for each in repeats}) == len(repeats)
    for each in repeats:
        before = answers[order.index(each.repeats)]
        assert (before.place_a, before.place_b) == (each.place_b, each.place_a)
        assert (before.image_a, before.image_b) == (each.image_a, each.image_b)
        assert order.index(each.question) - order.index(each.repeats) > APART
    assert work.consistency() == (len(repeats), len(repeats))


@settings(max_examples=25, deadline=None)
@given(
    steps=st.lists(st.sampled_from([0, 1, "tie", "skip", "undo", "restart"]), max_size=25),
    seed=st.integers(0, 99),
)
def test_whatever_is_done_the_file_holds_what_stands_and_a_restart_changes_nothing(
    tmp_path_factory, steps, seed
):
    path = tmp_path_factory.mktemp("steps") / "labels.jsonl"
    work = session(path, candidates(3), candidates(2, "a dog", "dogs"), seed=seed)
    stack = []
    for step in steps:
        if step == "restart":
            before = work.progress()
            work.file.close()
            work = session(path, candidates(3), candidates(2, "a dog", "dogs"), seed=seed)
            after = work.progress()
            assert (after.questions, after.prompts_settled) == (before.questions, before.prompts_settled)
        elif step == "undo":
            assert work.undo() == bool(stack)
            if stack:
                prompt, places = stack.pop()
                assert (work.question.prompt, work.question.places) == (prompt, places), "it is asked again"
        else:
            waits = work.question
            assert work.answer(waits.id, step, 1.0)
            stack.append((waits.prompt, waits.places))
        assert len(standing(work.file.answers)) == len(stack)
    work.file.close()


def test_an_answer_that_comes_twice_is_saved_once_and_one_to_nothing_shown_is_refused(tmp_path):
    work = session(tmp_path / "labels.jsonl")
    waits = work.question
    assert work.answer(waits.id, 0) and not work.answer(waits.id, 1) and len(work.file.answers) == 1
    for wrong in (2, -1, True, "both", 0.5):
        with pytest.raises(UsageError, match="is none of 0 to 1, 'tie' and 'skip'"):
            work.answer(work.question.id, wrong)
    assert len(work.file.answers) == 1


def test_each_person_starts_afresh_and_takes_back_only_own_answers(tmp_path):
    path = tmp_path / "labels.jsonl"
    ada = session(path)
    prefer_later(ada)
    ada.file.close()
    bob = session(path, who="bob")
    assert bob.progress().questions == 0 and not bob.undo()
    prefer_later(bob)
    assert [each.who for each in bob.file.answers] == ["ada", "bob"]


def test_an_image_that_cannot_be_shown_is_asked_about_no_more(tmp_path):
    work = session(tmp_path / "labels.jsonl", candidates(3), candidates(2, "a dog", "dogs"))
    work.lose(0, 1)
    work.lose(1, 0)
    for _ in range(30):
        assert work.question.prompt == 0 and set(work.question.places) == {0, 2}
        prefer_later(work)
    work.lose(0, 0)
    assert work.question is None and work.lost == 3


def test_a_file_about_other_images_is_refused_and_one_about_some_others_is_gone_on_with(tmp_path):
    path = tmp_path / "labels.jsonl"
    work = session(path)
    for _ in range(5):
        prefer_later(work)
    work.file.close()
    with (
        AnswerFile(path) as file,
        pytest.raises(UsageError, match="answers about other images, such as 'pics/"),
    ):
        Session([candidates(4, folder="others")], file, "ada", rng=random.Random(0))
    fewer = session(path, candidates(5))
    gone = [each for each in fewer.file.answers if "pics/5.png" in (each.image_a, each.image_b)]
    assert fewer.elsewhere == len(gone) > 0


def test_a_skipped_pair_is_asked_again_by_chance_only_and_a_prompt_of_skipped_pairs_is_over(tmp_path):
    work = session(tmp_path / "labels.jsonl", candidates(3), candidates(2, "a dog", "dogs"))
    asked = []
    while not work.progress().done and len(asked) < 60:
        waits = work.question
        if waits.pick == "informative":
            asked.append((waits.prompt, *sorted(waits.places)))
        work.answer(waits.id, "skip")
    assert len(set(asked)) == len(asked) <= 4 and work.progress().done
    assert work.undo() and not work.progress().done


def test_where_nothing_is_known_every_pair_is_as_likely_to_come_first(tmp_path):
    firsts = []
    for seed in range(300):
        (tmp_path / str(seed)).mkdir()
        waits = session(tmp_path / str(seed) / "labels.jsonl", candidates(3), seed=seed).question
        firsts.append(tuple(sorted(waits.places)))
    assert min(firsts.count(pair) for pair in [(0, 1), (0, 2), (1, 2)]) > 70
