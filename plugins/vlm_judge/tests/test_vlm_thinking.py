"""Models that think before they answer, and the options that say how requests are made."""

import json
import math

import pytest

import rankkit
from rankkit import RunStopped
from rankkit.errors import BadOption


def one(judge, group):
    (ranking,) = judge.rank([group])
    return ranking


@pytest.mark.parametrize(
    "manner",
    [
        "thinks-aloud",
        "thinks-without-opening",
        "thinks-in-halves",
        "answers-in-reasoning",
        "boxed",
        "final-answer",
        "json",
        "bold",
    ],
)
def test_a_verdict_is_read_in_whatever_manner_it_is_given(load, fake, greys, manner):
    fake.play(manner)
    ranking = one(load(), greys(40, 120, 200))
    assert ranking.ranks == (3, 2, 1) and ranking.details[0]["judge"]["swap_consistency"] == 1


def test_log_probabilities_of_a_first_thought_are_none_of_an_answer(load, fake, greys):
    answer = fake.answer

    def thinking(body):
        found = answer(body)
        if body["max_tokens"] == 1:
            found["choices"][0]["message"] = {"content": None, "reasoning": "A"}
        return found

    fake.answer = thinking
    ranking = one(load(), greys(40, 200))
    assert ranking.ranks == (2, 1) and ranking.details[0]["asked_for"] == "text"


def test_an_answer_that_went_into_thinking_says_which_option_allows_more(load, fake, greys):
    fake.play("thinks-only")
    ranking = one(load(max_answer_tokens=900), greys(40, 200))
    assert all(math.isnan(score) for score in ranking.scores)
    error = ranking.details[0]["error"]
    assert error.startswith("truncated: all tokens of the answer went into thinking")
    assert "max_answer_tokens=" in error and "thinking=off" in error
    assert [body["max_tokens"] for body in fake.requests] == [1, 512, 512, 900, 900]


def test_a_small_limit_on_answers_is_kept(load, fake, greys):
    one(load(mode="text", max_answer_tokens=100), greys(40, 200))
    assert {body["max_tokens"] for body in fake.requests[1:]} == {100}


def test_a_model_that_thinks_has_room_for_that_in_a_terse_answer_too(load, fake, greys):
    fake.play("answers-in-reasoning")
    playing = fake.fault

    def undecided(number, body):
        if body["max_tokens"] == 512:
            return 200, {
                "choices": [{"message": {"content": "Hm.", "reasoning": "A?"}, "finish_reason": "stop"}]
            }
        return playing(number, body)

    fake.fault = undecided
    assert one(load(), greys(40, 200)).ranks == (2, 1)
    assert [body["max_tokens"] for body in fake.requests[-2:]] == [2048, 2048]


@pytest.mark.parametrize(("thinking", "effort"), [("on", "medium"), ("off", "none")])
def test_thinking_is_asked_for_in_the_ways_that_servers_take(load, fake, greys, thinking, effort):
    judge = rankkit.load(f"vlm-judge:url={fake.url},model=brightness-1,cache=none,thinking={thinking}")
    ranking = one(judge, greys(40, 200))
    assert all(body["reasoning_effort"] == effort for body in fake.requests)
    assert all(
        body["chat_template_kwargs"]["enable_thinking"] is (thinking == "on") for body in fake.requests
    )
    assert ranking.details[0]["asked_for"] == f"logprob, else text; thinking {thinking}"


def test_a_server_that_takes_one_way_only_is_asked_in_that_way(load, fake, greys):
    fake.fault = lambda number, body: (
        (400, {"error": {"message": "Unrecognized request argument supplied: chat_template_kwargs"}})
        if "chat_template_kwargs" in body
        else None
    )
    one(load(thinking="off"), greys(40, 200))
    assert fake.requests[-1]["reasoning_effort"] == "none" and "seed" in fake.requests[-1]


def test_thinking_that_a_server_cannot_be_told_of_is_refused(load, fake):
    def refuses(number, body):
        for name in ("chat_template_kwargs", "reasoning_effort"):
            if name in body:
                return 400, {"error": {"message": f"Unknown parameter: '{name}'."}}

    fake.fault = refuses
    with pytest.raises(BadOption, match=r"thinking=off cannot be had: .*request=FILE\.json"):
        load(thinking="off")


def test_whether_a_model_thinks_is_part_of_what_an_answer_is_kept_under(load, fake, greys):
    for thinking in ("auto", "on", "off", "auto"):
        one(load(thinking=thinking), greys(40, 200))
    assert len(fake.requests) == 4 + 3 * 2


# --- request=FILE.json ---


def written(tmp_path, found):
    file = tmp_path / "request.json"
    file.write_text(found if isinstance(found, str) else json.dumps(found))
    return str(file)


def test_fields_of_a_file_go_into_every_request_over_ours(load, fake, greys, tmp_path):
    file = written(
        tmp_path,
        {"top_k": 1, "temperature": 0.1, "seed": None, "chat_template_kwargs": {"style": "short"}},
    )
    ranking = one(load(request=file, thinking="off"), greys(40, 200))
    for body in fake.requests:
        assert body["top_k"] == 1 and body["temperature"] == 0.1 and "seed" not in body
        assert body["chat_template_kwargs"] == {"enable_thinking": False, "thinking": False, "style": "short"}
    assert "; request " in ranking.details[0]["asked_for"]


def test_other_fields_are_other_answers(load, fake, greys, tmp_path):
    for temperature in (0.1, 0.2, 0.1):
        one(load(request=written(tmp_path, {"temperature": temperature})), greys(40, 200))
    assert len(fake.requests) == 3 + 2 * 2


def test_a_field_of_the_file_that_a_server_does_not_take_is_not_left_out_silently(load, fake, tmp_path):
    fake.fault = lambda number, body: (400, {"error": {"message": "unknown field top_k"}})
    with pytest.raises(RunStopped, match=r"unknown field top_k.*request= sets top_k"):
        load(request=written(tmp_path, {"top_k": 1}))


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ({"messages": []}, "may not set 'messages': .*criteria="),
        ({"model": "x"}, "may not set 'model': give model="),
        ({"stream": True}, "may not set 'stream'"),
        ([1], "holds no JSON object"),
        ("{", "is not JSON"),
        ('{"a": NaN}', "is not JSON: NaN is no number"),
        ("[" * 50_000, "is not JSON"),
        ('{"a": "' + "x" * 70_000 + '"}', "more than 65536 bytes"),
    ],
)
def test_a_file_that_cannot_be_a_part_of_a_request_is_refused(load, fake, tmp_path, found, said):
    with pytest.raises(BadOption, match=said):
        load(request=written(tmp_path, found))
    assert not fake.requests


def test_a_file_that_is_not_there_is_named(load, tmp_path):
    with pytest.raises(BadOption, match=r"request=.*none\.json cannot be read: No such file"):
        load(request=str(tmp_path / "none.json"))
    with pytest.raises(BadOption, match="request= holds fields for a server"):
        load(url=None, model="some-model", request="x.json")
