"""What an answer says: the first token's probabilities, or the verdict a text ends in."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rankkit_vlm_judge.replies import Reply, from_text, from_top
from rankkit_vlm_judge.server.completions import read
from rankkit_vlm_judge.server.failures import Failed
from rankkit_vlm_judge.verdicts import parse, spoken

AB = ("A", "B")


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("A", "A"),
        ("a.", "A"),
        ("**B**", "B"),
        ("Answer: B", "B"),
        ("IMAGE B", "B"),
        ("Image A is worse, so B", None),
        ("A or B", None),
        ("", None),
        ("I'm sorry, but I can't help with that.", None),
        ('Sure! {"winner": "B", "confidence": 0.9} Hope that helps.', "B"),
        ("Answer: A\nAnswer: B", None),
        ("Image A is sharper. Image B is blurred.\nAnswer: A", "A"),
        ("Image A:\nsharp\nImage B:\nblurred\n\nFinal answer: Image A.", "A"),
        ("**Answer:** B", "B"),
        ("Answer: **B**", "B"),
        ("My final verdict: **Image A**", "A"),
        ("The better image is B.", "B"),
        ("Image A is better.", "A"),
        ("Image A is not better", None),
        ("Image A is", None),
        ("It is close.\n\nB", "B"),
        ("A\nB", None),
        ("Answer: A or B", None),
        ("Answer: Apple", None),
        ("A bright picture", None),
        ("Answer is not A", None),
        ("Both are plain. The answer is $\\boxed{A}$", "A"),
        ("\\boxed{\\text{Image B}}", "B"),
        ("\\boxed{A} or \\boxed{B}", None),
        ("Final Answer: The better image is A.", "A"),
        ("**Final Answer:** The better image is **B**", "B"),
        ("Final answer: Image B is better.", "B"),
        ("### Final Answer\n**A**", "A"),
        ('```json\n{"better_image": "B", "reason": "A is dark"}\n```', "B"),
        ('{"final_answer": "Image A"}', "A"),
        ("{'answer': 'A'}", "A"),
        ('{"answer": "A or B"}', None),
        ("Neither.", None),
        ("<answer>A</answer>", "A"),
        ("Red.\n<|begin_of_box|>B<|end_of_box|>", "B"),
        ("<|begin_of_solution|>\nAnswer: B\n<|end_of_solution|>", "B"),
        ("Answer: B<turn|>", "B"),
        ("A</s>", "A"),
        ("Answer: A<|im_end|>\n", "A"),
        ("Answer: B\n<answer>A</answer>", None),
        ("A?", None),
        ("Answer: A\n\nHowever, on reflection, the answer is B.", None),
        ("Answer: A\n\nSo the better image is A indeed.", "A"),
        ("Answer: A\n\nWait, image B is the better one.", None),
        ("Answer: A\n\nImage A wins by its colours.", "A"),
        ("Answer: A\n\nIn a way this is the better of the two.", "A"),
        ("Ä", None),
    ],
)
def test_a_verdict_is_read_only_where_it_is_stated_and_never_from_letters_in_a_sentence(text, label):
    assert parse(text, AB) == label


@pytest.mark.parametrize(
    "text",
    [
        "Answer: A\n\nCorrection: B",
        "Answer: A\nActually, B.",
        "Answer: A\nB",
        "Answer: A\nI change my answer to B.",
        "Answer: A\n\nWait, no. The other one.",
        "Winner: A\nWinner: A\nOverall: B",
        "Winner: A\nOverall winner: B",
        '{"faithfulness": {"winner": "A"}, "overall": "B"}',
        "If colour matters:\nImage A is better.\nOtherwise B.",
        "Winner: neither\nA",
        "Answer: tie\nA",
    ],
)
def test_a_verdict_that_is_taken_back_or_stands_against_another_is_none(text):
    assert parse(text, AB) is None


@pytest.mark.parametrize(
    "text",
    [
        "Image A:\nIt is sharp but dark.\nThe other one is blurred.",
        "**Image A**\nSharp.\nImage B is blurred.",
        "Answer:\nImage A:\nsharp\nImage B:\nblurred",
        "Which is sharper?\nA\nWhich follows the caption?\nHard to tell.",
        "Image A: ❌",
        "Answer: ~A",
        "Not my answer:\nA",
        "For example:\nAnswer: A",
    ],
)
def test_a_heading_a_part_an_example_and_what_is_denied_are_no_verdict(text):
    assert parse(text, AB) is None


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("B\n\nIt is sharper.", "B"),
        ("Faithfulness winner: A\nOverall winner: B", "B"),
        ("Winner: A\nLoser: B", "A"),
        ("Choice: A\nSecond choice: B", "A"),
        ('{"better": "A", "worse": "B",}', "A"),
        ("Answer: A\nReason: B is dark", "A"),
        ("[[B]]", "B"),
    ],
)
def test_what_is_said_beside_a_verdict_leaves_it_as_it_is(text, label):
    assert parse(text, AB) == label


@pytest.mark.parametrize(
    "text",
    [
        "I cannot see any images.\nAnswer: A",
        "No images were provided.\nA",
        "Answer: A\n\nNote: I am unable to view images, so this is a guess.",
        "I only see one image, so\nAnswer: A",
        "Only one image was provided.\nAnswer: A",
        "The second image is not visible to me.\nAnswer: A",
    ],
)
def test_a_verdict_of_a_model_that_saw_no_image_is_a_guess(text):
    verdict = from_text(Reply(text, finish="stop"), AB)
    assert verdict.outcome == "rejected" and "sees no image" in verdict.error
    for seen in (
        "I do not see any image of a dog in B.",
        "The second image is not shown from above.",
        "The second image is missing the fox.",
        "The fox of the second image is not visible.",
        "I see only one fox in an image.",
    ):
        assert from_text(Reply(f"{seen}\nAnswer: A"), AB).outcome == "ok"


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("Yes.", "Yes"),
        ("no", "No"),
        ("Answer: No", "No"),
        ("Yes and no", None),
        ("Yesterday", None),
        ("Yes\n\nActually, no.", None),
        ("No\nYes", None),
    ],
)
def test_words_are_read_as_letters_are(text, label):
    assert parse(text, ("Yes", "No")) == label


@pytest.mark.parametrize(
    ("content", "thoughts", "said"),
    [
        ("<think>Answer: B</think>\nAnswer: A", "", "\nAnswer: A"),
        ("Answer: B\n</think>Answer: A", "", "Answer: A"),
        ("<think>B</think>No.</think>A", "", "A"),
        ("no: B</think>A", "Rather B", "A"),
        ("", "B</think>A", "A"),
        (" A.", "B</think>The better image is", "The better image is A."),
        ("A", "B", "A"),
        ("", "Answer: B", ""),
        ("<think>Answer: B", "", ""),
        ("◁think▷B◁/think▷A", "", "A"),
        ("<reasoning>\nAnswer: A", "", ""),
        ("<thought>Answer: A</thought>B", "", "B"),
        ("Answer: A\n</reasoning>B", "", "B"),
        ("B<analysis>A is dark</analysis>", "", "B"),
        ("<seed:think>Answer: A</seed:think>B", "", "B"),
        ("<|channel|>analysis<|message|>A", "", ""),
        ("<|channel>thought\nAnswer: B<channel|>Answer: A<turn|>", "", "Answer: A<turn|>"),
        ("<|channel>thought\nHm.\nAnswer: B", "", ""),
        ("<|channel>thought\n<channel|>A", "", "A"),
        ("<|channel|>analysis<|message|>A<|end|><|start|>assistant<|channel|>final<|message|>B", "", "B"),
    ],
)
def test_only_what_follows_the_end_of_thinking_was_said(content, thoughts, said):
    assert spoken(content, thoughts) == said


def test_letters_within_thoughts_are_no_verdict():
    for text in ("<think>Answer: B", "<think>Answer: B</think>", "Answer: B</think>"):
        assert from_text(Reply(text, finish="stop"), AB).outcome == "unparsed"
        cut = from_text(Reply(text, finish="length"), AB)
        assert (
            cut.outcome == "truncated" and "max_answer_tokens=" in cut.error and "thinking=off" in cut.error
        )


@given(st.text(alphabet=" AB\n:.*{}\"'answer is the image", max_size=60))
def test_which_label_comes_first_in_the_question_does_not_change_what_a_text_says(text):
    label = parse(text, AB)
    swapped = parse(text, ("B", "A"))
    assert label == swapped and label in ("A", "B", None)


@pytest.mark.parametrize(
    "text",
    [
        "\n" * 50_000,
        "-" * 50_000,
        "answer:\n" * 9_000,
        "better " * 9_000,
        "A\n" * 20_000,
        "the final answer is " * 5_000,
        "\\boxed{" * 9_000,
        "'answer': " * 9_000,
        "no, wait: B\n" * 9_000,
        "<reasoning>" * 9_000,
        "I cannot " * 9_000,
        '"overall": "A", ' * 9_000,
    ],
)
def test_no_text_takes_long_to_read(text):
    from_text(Reply(text), AB)


def top(*pairs):
    return Reply(top=tuple((token, math.log(p)) for token, p in pairs))


def test_the_probability_is_that_of_a_label_in_any_dress_over_that_of_both():
    verdict = from_top(top(("A", 0.4), (" a", 0.2), ("B", 0.2), ("The", 0.2)), AB)
    assert verdict.outcome == "ok" and verdict.p == pytest.approx(0.75) and verdict.mass == pytest.approx(0.8)


@pytest.mark.parametrize(
    "pairs", [(("A", 0.2), ("B", 0.2), ("<think>", 0.6)), (("A", 0.99),), (("Apple", 0.9), ("Bee", 0.1)), ()]
)
def test_where_the_labels_are_not_what_the_model_wants_to_say_nothing_is_read(pairs):
    verdict = from_top(top(*pairs), AB)
    assert verdict.outcome == "low_mass" and math.isnan(verdict.p) and verdict.error


@pytest.mark.parametrize(
    ("reply", "outcome"),
    [
        (Reply("Answer: A", finish="stop"), "ok"),
        (Reply("I'm sorry, I can't compare these.", finish="stop"), "refused"),
        (Reply("", finish="content_filter", refusal=True), "refused"),
        (Reply("Image A shows a long story about", finish="length"), "truncated"),
        (Reply("Answer: A\nHowever, on second thoughts the other one", finish="length"), "truncated"),
        (Reply("B", finish="length"), "ok"),
        (Reply("Both are lovely.", finish="stop"), "unparsed"),
        (Reply("", finish="stop"), "unparsed"),
    ],
)
def test_a_text_is_a_verdict_or_says_why_it_is_none(reply, outcome):
    verdict = from_text(reply, AB)
    assert (
        verdict.outcome == outcome
        and (outcome == "ok" or verdict.error)
        and math.isnan(verdict.p) == (outcome != "ok")
    )


def test_a_label_that_is_listed_as_impossible_is_one_all_the_same():
    """Servers list -9999 for what has no probability at all."""
    verdict = from_top(Reply(top=(("A", 0.0), ("B", -9999.0))), AB)
    assert (verdict.outcome, verdict.p, verdict.mass) == ("ok", 1.0, 1.0)


def completion(finish, content):
    return {"choices": [{"finish_reason": finish, "message": {"role": "assistant", "content": content}}]}


@pytest.mark.parametrize(
    "finish", ["max_tokens", "MAX_TOKENS", "model_length", "model_context_window_exceeded"]
)
def test_an_answer_that_was_cut_off_is_known_by_any_name_for_it(finish):
    assert read(completion(finish, "Image A is red, and")).finish == "length"


FILTERS = [
    *("content_filter", "SAFETY", "refusal", "RECITATION", "BLOCKLIST", "sensitive", "IMAGE_SAFETY"),
    *("IMAGE_PROHIBITED_CONTENT", "NO_IMAGE", "content_filtered", "guardrail_intervened", "content-filter"),
]


@pytest.mark.parametrize("finish", FILTERS)
def test_a_filter_is_known_by_any_name_for_it(finish):
    assert from_text(read(completion(finish, "Answer: A")), AB).outcome == "refused"


BROKE = [
    *("error", "network_error", "insufficient_system_resource", "abort", "aborted", "cancelled", "timeout"),
    *("TIMED_OUT", "MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "internal_server_error"),
]


@pytest.mark.parametrize("finish", [*BROKE, {"type": "abort", "message": "gone"}])
def test_an_answer_that_an_error_broke_off_is_none(finish):
    with pytest.raises(Failed, match="broke off"):
        read(completion(finish, "Answer: A"))


def test_an_error_beside_an_answer_that_never_ended_broke_it_off():
    with pytest.raises(Failed, match="upstream is gone"):
        read(completion(None, "Answer: A") | {"error": {"message": "upstream is gone"}})
    assert read(completion(None, "Answer: A")).text == "Answer: A"


@pytest.mark.parametrize(
    "finish", ["stop", "eos_token", "end_turn", "STOP", "completed", None, "stop_sequence"]
)
def test_an_answer_that_ended_by_itself_is_read_whatever_that_is_called(finish):
    answer = completion("stop", "Answer: A")
    answer["choices"][0]["native_finish_reason"] = finish
    assert from_text(read(answer), AB).p == 1 and from_text(read(completion(finish, "Answer: A")), AB).p == 1


def test_the_end_that_a_gateway_calls_stop_is_what_the_server_behind_it_called_it():
    for native, outcome in (("SAFETY", "refused"), ("MAX_TOKENS", "truncated")):
        for own in (
            {"native_finish_reason": native},
            {"provider_specific_fields": {"native_finish_reason": native}},
        ):
            answer = completion("stop", "They differ in much, as\nAnswer: A")
            answer["choices"][0] |= own
            assert from_text(read(answer), AB).outcome == outcome


@pytest.mark.parametrize("choices", [[], None])
def test_an_answer_without_a_choice_says_what_may_have_become_of_it(choices):
    with pytest.raises(Failed, match=r"no choice, as where a filter took it or all of its tokens went into"):
        read({"object": "chat.completion", "choices": choices, "usage": {"total_tokens": 9}})


def test_parts_of_a_message_are_read_by_either_name():
    assert read(completion("stop", [{"type": "output_text", "text": "Answer: B"}])).text == "Answer: B"


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (["Answer: A"], "Answer: A"),
        ([{"type": "text", "text": None}], ""),
        ([{"type": "text", "text": {"value": "A"}}], ""),
        (
            [
                {"type": "thinking", "thinking": [{"type": "text", "text": "B"}]},
                {"type": "text", "text": "A"},
            ],
            "A",
        ),
    ],
)
def test_a_content_in_parts_says_what_its_texts_say(content, text):
    assert read(completion("stop", content)).text == text


def test_a_part_that_was_thought_is_known_to_be_one():
    answer = completion("stop", [{"type": "thinking", "thinking": "B"}])
    answer["choices"][0]["logprobs"] = {"content": [{"top_logprobs": [{"token": "A", "logprob": -0.1}]}]}
    assert read(answer).thought and not read(answer).top


@pytest.mark.parametrize(
    "logprobs",
    [
        True,
        ["A"],
        {"content": [None]},
        {"content": {"token": "A"}},
        {"tokens": ["A"], "top_logprobs": [{"A": -0.1, "B": -2}]},
        {"content": [{"top_logprobs": {"A": -0.1}}]},
        {"content": [{"top_logprobs": [{"A": -0.1}]}]},
        {"content": [{"top_logprobs": [{"token": "A", "logprob": 10**400}]}]},
    ],
)
def test_log_probabilities_in_another_form_are_none_and_the_text_is_read(logprobs):
    answer = completion("stop", "Answer: A")
    answer["choices"][0]["logprobs"] = logprobs
    assert read(answer).text == "Answer: A" and not read(answer).top


@pytest.mark.parametrize(
    ("told", "tokens"), [(10**400, 0), (2**70, 0), (90.0, 90), (-5, 0), (float("inf"), 0), (True, 1)]
)
def test_tokens_that_nobody_can_have_used_count_as_none(told, tokens):
    assert read({**completion("stop", "A"), "usage": {"prompt_tokens": told}}).tokens == tokens


@pytest.mark.parametrize(
    ("listed", "top"),
    [
        ([("A", -0.5), ("A", -0.5), ("B", -1.0)], (("A", -0.5), ("B", -1.0))),
        ([("A", -0.1), ("B", -0.2)], ()),
    ],
)
def test_probabilities_are_counted_once_and_never_come_to_more_than_one(listed, top):
    answer = completion("stop", "A")
    tokens = [{"token": token, "logprob": value} for token, value in listed]
    answer["choices"][0]["logprobs"] = {"content": [{**tokens[0], "top_logprobs": tokens}]}
    assert read(answer).top == top
