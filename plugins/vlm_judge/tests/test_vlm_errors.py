"""What servers answer in place of a verdict, as people have met it, and what each is taken for."""

import json

import pytest

from rankkit import RunStopped
from rankkit_vlm_judge.server.failures import Again, Failed, HttpAnswer, exception_of


def taken_for(status, said):
    """The exception for a message, or for a body."""
    body = said if isinstance(said, (dict, list)) else {"error": {"message": said, "code": status}}
    answer = HttpAnswer("http://x/v1", None, status, {}, json.dumps(body).encode())
    assert not answer.good
    return exception_of(answer)


@pytest.mark.parametrize(("status", "said", "advice"), [
    (500, "The server was not compiled for multimodal or the model projector can't be loaded.", "--mmproj"),
    (500, "vision model only supports a single image per message", "two images in one request"),
    (500, "this model only supports one image while more than one image requested", "two images"),
    (500, 'can only concatenate str (not "list") to str', "takes texts only"),
    (400, "json: cannot unmarshal array into Go struct field ChatCompletionMessage.messages.content of type "
          "string", "takes texts only"),
    (422, {"detail": [{"loc": ["body", "messages", 0, "content"], "msg": "Input should be a valid string"}]},
     "takes texts only"),
    (400, "unknown content type: image_url", "takes texts only"),
    (400, "This model does not support image input", "another model="),
    (400, "/chat/completions: Invalid model name passed in model=gpt-9.", "model=NAME"),
    (400, "As of transformers v4.44, default chat template is no longer allowed, so you must provide a chat "
          "template if the tokenizer does not define one.", "--chat-template"),
    (400, {"type": "error", "error": {"type": "invalid_request_error", "message":
           "Your credit balance is too low to access the API."}}, "no credit left"),
    (400, {"error": {"message": "ExceededBudget: User over budget. Spend: 10.0", "type": "budget_exceeded"}},
     "no credit left"),
    (400, "User location is not supported for the API use.", "answers where you are"),
])  # fmt: skip
def test_what_no_other_question_can_mend_ends_the_run_with_what_to_do(status, said, advice):
    found = taken_for(status, said)
    assert isinstance(found, RunStopped) and advice in str(found)


@pytest.mark.parametrize(("status", "said"), [
    (400, "absolute aspect ratio must be smaller than 200, got 300.0"),
    (500, "absolute aspect ratio must be smaller than 200, got 300.0"),
    (500, "height:1 or width:300 must be larger than factor:28"),
    (400, "The image length and width do not meet the model restrictions. [height:5 or width:5 must be "
          "larger than 10]"),
])  # fmt: skip
def test_an_image_of_a_shape_that_a_model_cannot_see_costs_its_own_question_only(status, said):
    found = taken_for(status, said)
    assert isinstance(found, Failed) and not isinstance(found, Again) and found.outcome == "rejected"


@pytest.mark.parametrize(("status", "said", "outcome"), [
    (500, "input is too large to process. increase the physical batch size", "oversized"),
    (400, "the request exceeds the available context size, try increasing it", "oversized"),
    (400, "messages.0.content.1.image.source.base64: image exceeds 5 MB maximum", "oversized"),
    (400, {"error": {"message": "Invalid 'messages[1].content[1].image_url.url': string too long. Expected a "
           "string with maximum length 10485760", "code": "string_above_max_length"}}, "oversized"),
    (503, "Loading model", "transport"),
    (500, "CUDA out of memory. Tried to allocate 2.00 GiB", "transport"),
    (529, {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}, "transport"),
    (429, "litellm.RateLimitError: No deployments available, Try again in 60 seconds.", "rate_limited"),
    (200, {"error": {"message": "Upstream error", "code": 502}}, "transport"),
])  # fmt: skip
def test_what_may_get_better_is_asked_again_or_with_smaller_images(status, said, outcome):
    found = taken_for(status, said)
    assert isinstance(found, Failed) and found.outcome == outcome
    assert isinstance(found, Again) == (outcome != "oversized")
