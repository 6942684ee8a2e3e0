"""VQAScore asks in the published words, and gives the published number: by a server and by a model here."""

import math

import pytest

import rankkit
from rankkit.errors import BadOption
from rankkit.testing import check_ranker


def one(ranker, *groups):
    (ranking,) = ranker.rank(groups)
    return ranking


# --- a server ---


def test_vqascore_is_the_probability_of_yes_among_all_tokens(load, fake, greys):
    ranking = one(load("vqascore"), greys(26, 128, 230))
    expected = [0.98 / (1 + math.exp(-10 * (level / 255 - 0.5))) for level in (26, 128, 230)]
    assert ranking.kind == "pointwise" and ranking.scores == pytest.approx(expected, abs=1e-3)


def test_a_server_is_asked_in_the_published_words_and_nothing_else(load, fake, greys):
    one(load("vqascore"), greys(200, prompt='a "red" {} cat'))
    (message,) = fake.requests[-1]["messages"]
    image, text = message["content"]
    assert message["role"] == "user" and image["type"] == "image_url"
    assert text["text"] == 'Does this figure show "a "red" {} cat"? Please answer Yes or No.'
    assert fake.requests[-1]["max_tokens"] == 1 and fake.requests[-1]["logprobs"]


def test_a_server_without_log_probabilities_is_refused_with_what_would_do(load, fake):
    fake.logprobs = False
    with pytest.raises(rankkit.RankkitError, match=r"gives no log-probabilities .*model= and without url="):
        load("vqascore")


def test_a_list_of_tokens_too_short_to_tell_is_an_abstention_and_not_zero(load, fake, greys):
    answer = fake.answer

    def cut(body):
        found = answer(body)
        (listed,) = found["choices"][0]["logprobs"]["content"]
        listed["top_logprobs"] = [{"token": "No", "logprob": math.log(0.6)}]
        return found

    ranker = load("vqascore")
    fake.answer = cut
    ranking = one(ranker, greys(26))
    assert math.isnan(ranking.scores[0])
    assert "P(Yes) is between 0.000 and 0.400" in ranking.details[0]["error"]


def test_a_yes_that_is_not_among_many_likely_tokens_is_zero_to_a_hundredth(load, fake, greys):
    answer = fake.answer

    def cut(body):
        found = answer(body)
        (listed,) = found["choices"][0]["logprobs"]["content"]
        listed["top_logprobs"] = [{"token": "No", "logprob": math.log(0.998)}]
        return found

    ranker = load("vqascore")
    fake.answer = cut
    assert one(ranker, greys(26)).scores == (0.0,)


def test_answers_are_kept_and_apart_from_those_of_vqa(load, fake, greys):
    for name in ("vqa", "vqascore"):
        asked = len(fake.requests)
        first = one(load(name), greys(26, 230))
        assert len(fake.requests) == asked + 1 + 2
        assert one(load(name), greys(26, 230)).scores == first.scores
        assert len(fake.requests) == asked + 2 + 2  # the first question of the second server


def test_images_go_whole_unless_max_side_is_given(load, fake):
    from PIL import Image

    from rankkit_vlm_judge.testing.manners import image_urls, open_image

    group = rankkit.Group("x", (Image.new("RGB", (1200, 300)),))
    for options, size in (({}, (1200, 300)), ({"max_side": 400}, (400, 100))):
        one(load("vqascore", **options), group)
        (url,) = image_urls(fake.requests[-1])
        with open_image(url) as image:
            assert image.size == size


def test_rows_name_the_model_and_the_version_changes_with_the_words(load, greys):
    from rankkit.plugin import prepare
    from rankkit_vlm_judge.published.asking import version

    assert one(load("vqascore"), greys(26)).details[0]["model"] == "brightness-1"
    assert "+questions." in prepare("vqascore:url=http://127.0.0.1:9/v1").identity.version
    assert version("a") != version("b")


def test_vqascore_takes_no_mode_and_passes_the_contract_check(load):
    with pytest.raises(BadOption, match="no option 'mode'"):
        load("vqascore", mode="text")
    check_ranker(
        load("vqascore"),
        reload=lambda **options: load("vqascore", **options),
        skip={"prompts-matter": "the fake looks at brightness only"},
    )
