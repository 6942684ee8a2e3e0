"""UnifiedReward is asked in its own words and read strictly; what cannot be read abstains."""

import hashlib
import math

import pytest

import rankkit
from rankkit.errors import BadOption
from rankkit.testing import check_ranker
from rankkit_vlm_judge.published import numbers, unifiedreward
from rankkit_vlm_judge.published.words import words
from rankkit_vlm_judge.testing.manners import image_urls
from rankkit_vlm_judge.testing.server import brightness

NO_PROMPTS = {"prompts-matter": "the fake server judges by brightness alone"}


def one(ranker, *groups):
    (ranking,) = ranker.rank(groups)
    return ranking


def level(body, place=0):
    return brightness(list(image_urls(body))[place])


def final(body, better):
    return f"cat (object): 1\nbright (attribute): 0\nFinal Score: {1 + 4 * level(body):.3f}"


def axes(body, better):
    score = 1 + 4 * level(body)
    return f"Alignment Score (1-5): {score}\nCoherence Score (1-5): {score / 2 + 1}\nStyle Score (1-5): 2.0"


def better_image(body, better):
    return {"A": "Image 1 is better.", "B": "Image 2 is better."}[better]


def shares(body, better):
    first = round(level(body) / (level(body) + level(body, 1) + 1e-9), 6)
    pair = f" Image 1: {first}\n Image 2: {1 - first}\n"
    return "\n".join(f"{axis} Score:\n{pair}" for axis in ("Alignment", "Coherence", "Style"))


def thinking(body, better):
    said = better_image(body, better).rstrip(".")
    return f"<think>\nTotal score:\nImage 1: 9+8=17\n</think>\n<answer>{said}</answer>"


# --- what is asked ---


def test_the_image_comes_first_then_the_published_words_with_the_prompt_and_nothing_else(load, fake, greys):
    fake.says = final
    one(load("unifiedreward"), greys(200, prompt="a {prompt} [cat]"))
    (message,) = fake.requests[-1]["messages"]
    image, text = message["content"]
    assert message["role"] == "user" and image["type"] == "image_url"
    assert text["text"].startswith(
        "You are given a text caption and a generated image based on that caption."
    )
    assert text["text"].endswith("Your task is provided as follows:\nText Caption: [a {prompt} [cat]]")
    assert fake.requests[-1]["max_tokens"] == 2048 and "logprobs" not in fake.requests[-1]


@pytest.mark.parametrize(
    ("name", "digest"),
    [
        ("unifiedreward-v1", "f56f919ce3bc6aab"),
        ("unifiedreward-v2", "75d52d3ae771f89b"),
        ("unifiedreward-pair-v1", "0fd2f5c43a065165"),
        ("unifiedreward-pair-v2", "828e9ab2f81c3b6d"),
        ("unifiedreward-pair-think", "a8a0d80818246406"),
        ("unifiedreward-pair-think-v1", "342f6a4bd0efdae0"),
    ],
)
def test_the_words_are_those_of_the_published_code_letter_for_letter(name, digest):
    """The digests are of the strings in the repository at the commit that LICENCES.md names."""
    assert hashlib.sha256(words(name).encode()).hexdigest()[:16] == digest


# --- one image ---


def test_one_score_is_read_after_final_score(load, fake, greys):
    fake.says = final
    assert one(load("unifiedreward"), greys(0, 255)).scores == (1.0, 5.0)


def test_axes_are_told_apart_and_their_mean_is_the_score_unless_one_is_chosen(load, fake, greys):
    fake.says = axes
    for axis, expected in (("mean", (5 + 3.5 + 2) / 3), ("coherence", 3.5), ("style", 2.0)):
        ranking = one(load("unifiedreward", template="v2", axis=axis), greys(255))
        assert ranking.scores == pytest.approx((expected,))
        assert ranking.details[0]["alignment"] == 5.0 and ranking.details[0]["style"] == 2.0


@pytest.mark.parametrize(
    "reply",
    [
        "Rather good.",
        "Final Score: 7",
        "Final Score: 3\nFinal Score: 4",
        "Final Score: N/A, or Final Score: 3",
        "Final Score: 3, or 4",
        "Final Score: 3 or maybe 4",
        "Final Score: 3\u20114",
        "Final Score: 3 -> 4",
        "Final Score: 2, no, 3",
        "Final Score: 3 (out of 5), or 4",
        "",
    ],
)
def test_a_reply_without_one_score_in_range_abstains_with_the_reply_in_its_row(load, fake, greys, reply):
    fake.says = lambda body, better: reply
    ranking = one(load("unifiedreward"), greys(200))
    error = ranking.details[0]["error"]
    assert math.isnan(ranking.scores[0]) and error.startswith("unparsed: ")
    assert (repr(reply) in error) if reply else ("the answer is empty" in error)


def test_a_kept_reply_that_is_read_more_strictly_now_abstains_with_the_reply_in_its_row(
    load, fake, greys, monkeypatch
):
    fake.says = lambda body, better: "Rather good"
    monkeypatch.setitem(unifiedreward.POINTS, "v1", lambda text: {"score": 3.0})  # as it was read once
    assert one(load("unifiedreward"), greys(200)).scores == (3.0,)
    monkeypatch.undo()
    ranker, asked = load("unifiedreward"), len(fake.requests)
    found = one(ranker, greys(200)).details[0]
    assert found["failure"] == "unparsed" and found["error"].startswith("unparsed: an answer that was kept")
    assert "Rather good" in found["error"] and len(fake.requests) == asked


def test_a_reply_that_was_cut_off_abstains_and_says_what_allows_more(load, fake, greys):
    answer = fake.answer

    def cut(body):
        found = answer(body)
        found["choices"][0].update(finish_reason="length", message={"content": "Final Score: 4"})
        return found

    ranker = load("unifiedreward")
    fake.answer = cut
    error = one(ranker, greys(200)).details[0]["error"]
    assert error.startswith("truncated") and "max_answer_tokens=" in error


def test_a_reply_is_paid_for_once_and_what_could_not_be_read_is_asked_again(load, fake, greys):
    fake.says = final
    for _ in range(2):
        assert one(load("unifiedreward"), greys(255)).scores == (5.0,)
    assert len(fake.requests) == 2 + 1
    fake.says = lambda body, better: "Hm."
    assert math.isnan(one(load("unifiedreward", template="v2"), greys(255)).scores[0])
    fake.says = axes
    assert not math.isnan(one(load("unifiedreward", template="v2"), greys(255)).scores[0])


# --- two images ---


@pytest.mark.parametrize(
    ("template", "says"),
    [("v1", better_image), ("v2", shares), ("think", thinking), ("think-v1", thinking)],
)
def test_pairs_are_asked_in_both_orders_and_order_the_group(load, fake, greys, template, says):
    fake.says = says
    ranking = one(load("unifiedreward-pair", template=template), greys(10, 200, 100))
    assert ranking.ranks == (3, 1, 2) and ranking.kind == "pairwise"
    assert len(fake.requests) == 1 + 6 and len({str(body["messages"]) for body in fake.requests[1:]}) == 6
    assert ranking.details[0]["model"] == "brightness-1" and ranking.details[0]["judge"]["failed_calls"] == 0


def test_equally_good_is_a_tie_and_not_a_missing_comparison(load, fake, greys):
    fake.says = lambda body, better: "Both images are equally good."
    ranking = one(load("unifiedreward-pair"), greys(10, 200))
    assert ranking.ranks == (1.5, 1.5) and ranking.details[0]["judge"]["failed_calls"] == 0


@pytest.mark.parametrize(
    ("template", "reply"),
    [
        ("v1", "Image 1 is better. Image 2 is better."),
        ("v1", "The first one."),
        ("v2", "Alignment Score:\n Image 1: 0.9\n Image 2: 0.9"),
        ("think", "Image 1 is better"),
        ("think", "<answer>Image 1 is better, I think</answer>"),
    ],
)
def test_a_pair_without_one_verdict_is_a_missing_comparison(load, fake, greys, template, reply):
    fake.says = lambda body, better: reply
    ranking = one(load("unifiedreward-pair", template=template), greys(10, 200))
    assert all(math.isnan(score) for score in ranking.scores)
    assert ranking.details[0]["judge"]["failures"] == {"unparsed": 2}
    assert repr(reply) in ranking.details[0]["error"]


# --- options and contract ---


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"template": "v3"}, "v3"),
        ({"axis": "style"}, "axis=style is for template=v2"),
        ({"template": "v2", "axis": "beauty"}, "beauty"),
        ({"mode": "text"}, "no option 'mode'"),
        ({"max_side": 4}, "less than 16 pixels"),
    ],
)
def test_impossible_options_are_refused_before_anything_is_asked(load, fake, options, message):
    for name in ("unifiedreward", "unifiedreward-pair"):
        with pytest.raises((BadOption, rankkit.UsageError), match=message):
            load(name, **options)
    assert not fake.requests


@pytest.mark.parametrize(("name", "says"), [("unifiedreward", final), ("unifiedreward-pair", better_image)])
def test_both_pass_the_contract_check(load, fake, name, says):
    fake.says = says
    check_ranker(load(name), reload=lambda **options: load(name, **options), skip=NO_PROMPTS)


def test_numbers_are_read_in_the_dress_that_models_give_them():
    assert numbers.final_score("**Final Score:** 4") == {"score": 4.0}
    assert numbers.final_score("Final Score: **4**") == {"score": 4.0}
    assert numbers.final_score("Final Score: 4/5.") == {"score": 4.0}
    assert numbers.final_score("Final Score: 4.0/5.0") == {"score": 4.0}
    assert numbers.final_score("Final Score: 4 out of 5") == {"score": 4.0}
    assert numbers.final_score("Final Score: 4/10") is None
    assert numbers.final_score("Final Score: 4.") == {"score": 4.0}
    assert numbers.axis_scores("Alignment Score (1-5): 2.694700002670288") is None


@pytest.mark.parametrize(
    "told", ["4%", "4 %", "4 out of 10", "**4**/10", "3-4", "3 – 4", "3,5", "3 or 4", "1e1", "5/50", "80%"]
)
def test_a_number_of_another_scale_and_a_range_are_no_score(told):
    assert numbers.final_score(f"Final Score: {told}") is None
    axes = f"Alignment Score (1-5): {told}\nCoherence Score (1-5): 3\nStyle Score (1-5): 2"
    assert numbers.axis_scores(axes) is None


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("I do not think that Image 1 is better.", None),
        ("It isn't true that Image 2 is better.", None),
        ("If colour matters, Image 1 is better.", None),
        ("Image 1 is better in colour.", None),
        ("Image 1 is better, but only just.", None),
        ("Image 1 is better aligned with the caption. Image 2 is better.", 0.0),
        ("Therefore, **Image 1 is better.**", 1.0),
        ("Image 1 is better because it shows the cat.", 1.0),
        ("Image 1 is better than Image 2", 1.0),
        ("Both images are equally good.", 0.5),
    ],
)
def test_a_conclusion_that_is_denied_doubted_or_of_one_thing_only_is_none(text, first):
    assert numbers.conclusion(text) == (None if first is None else {"first": first})
