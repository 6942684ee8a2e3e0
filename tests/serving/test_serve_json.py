"""`rankkit serve` for those who speak JSON: scores, the OpenAPI document, and whether it is there."""

import base64
import io
import json

import pytest
from PIL import Image
from web_server import ask, request, serving

import rankkit
from rankkit.remote import wire
from rankkit.serving import questions


def encoded(color="red", size=(8, 4)):
    buffer = io.BytesIO()
    Image.new("RGB", size, color).save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


RED, BLUE, GREY = encoded("red"), encoded("blue"), encoded("grey")


class Widest:
    """Listwise: the width beside the widest of its group."""

    def rank(self, groups):
        return [
            rankkit.Ranking(
                tuple(image.width / max(other.width for other in group.images) for image in group.images),
            )
            for group in groups
        ]


@rankkit.pointwise
def moody(image, prompt, metadata):
    """Raises for one prompt, abstains for another, stops for a third; else the metadata's bonus."""
    if prompt == "raise":
        raise ValueError("no\nsuch thing")
    if prompt == "stop":
        raise rankkit.RunStopped("the purse is empty")
    return None if prompt == "abstain" else image.width + metadata.get("bonus", 0)


def test_scores_in_json_are_those_of_the_ranker_itself():
    with serving("prompt-color") as server:
        status, said = ask(server, "/score", {"images": [RED, BLUE, GREY], "prompts": "a red square"})
    group = rankkit.Group("a red square", tuple(Image.new("RGB", (8, 4), c) for c in ("red", "blue", "grey")))
    (ranking,) = rankkit.load_here("prompt-color").rank([group])
    assert status == 200
    assert (tuple(said["scores"]), tuple(said["ranks"])) == (ranking.scores, ranking.ranks)
    assert said["errors"] == [None] * 3 and said["ranker"] == "prompt-color" and said["version"]


def test_images_of_one_prompt_are_compared_with_each_other_only():
    sizes = [(4, 4), (10, 4), (8, 4), (2, 4)]
    images = [encoded(size=size) for size in sizes]
    with serving(f"{__name__}:Widest") as server:
        _, said = ask(server, "/score", {"images": images, "prompts": ["a", "b", "a", "b"]})
    assert said["scores"] == [0.5, 1.0, 1.0, 0.2] and said["ranks"] == [2.0, 1.0, 1.0, 2.0]


def test_metadata_goes_to_the_images_it_is_given_for():
    question = {"images": [RED] * 3, "prompts": "p", "metadata": [{"bonus": 1}, None, {"bonus": 3}]}
    with serving(f"{__name__}:moody") as server:
        assert ask(server, "/score", question)[1]["scores"] == [9.0, 8.0, 11.0]
        assert ask(server, "/score", {**question, "metadata": {"bonus": 2}})[1]["scores"] == [10.0] * 3
        assert ask(server, "/score", question)[1]["ranks"] == [2.0, 3.0, 1.0]


def test_an_image_without_a_score_has_null_and_a_reason_never_zero():
    broken = base64.b64encode(b"no image at all").decode()
    question = {"images": [RED, broken, RED, RED], "prompts": ["fine", "fine", "raise", "abstain"]}
    with serving(f"{__name__}:moody") as server:
        status, said = ask(server, "/score", question)
    assert status == 200
    assert said["scores"] == [8.0, None, None, None] and said["ranks"] == [1.0, None, None, None]
    assert said["errors"][0] is None and "not an image that Pillow can read" in said["errors"][1]
    assert said["errors"][2] == "ValueError: no such thing" and "None" in said["errors"][3]


def test_a_listwise_ranker_that_fails_on_one_prompt_answers_for_the_others():
    with serving(f"{__name__}:Fragile") as server:
        status, said = ask(server, "/score", {"images": [RED, RED], "prompts": ["fine", "raise"]})
    assert (status, said["scores"], said["errors"]) == (200, [1.0, None], [None, "ValueError: not this one"])


class Fragile:
    """Listwise; raises for a whole call where one prompt says so."""

    def rank(self, groups):
        if any(group.prompt == "raise" for group in groups):
            raise ValueError("not this one")
        return [rankkit.Ranking((1.0,) * len(group.images)) for group in groups]


def test_a_ranker_that_cannot_go_on_is_said_for_the_whole_request():
    with serving(f"{__name__}:moody") as server:
        status, said = ask(server, "/score", {"images": [RED], "prompts": "stop"})
    assert status == 503 and said["type"] == "RunStopped" and "the purse is empty" in said["error"]


def test_images_alone_are_undecodable_all_and_the_ranker_is_not_asked():
    with serving("sharpness") as server:
        status, said = ask(server, "/score", {"images": [""]})
    assert status == 200 and said["scores"] == [None] and said["errors"] == ["the file is empty (0 bytes)"]


def test_data_urls_and_line_breaks_in_base64_are_read():
    with serving("sharpness") as server:
        images = [f"data:image/png;base64,{RED}", RED[:20] + "\n" + RED[20:]]
        assert ask(server, "/score", {"images": images})[1]["errors"] == [None, None]


@pytest.mark.parametrize(
    "question, says",
    [
        ([], "the body is list; send an object with images, prompts, metadata"),
        ({}, "images is a list of one or more strings"),
        ({"images": []}, "images is a list of one or more strings"),
        ({"images": RED}, "images is a list of one or more strings"),
        ({"images": [1]}, "images is a list of one or more strings"),
        ({"images": ["?"]}, r"images[0] is not base64"),
        ({"images": [RED, "QQ"]}, r"images[1] is not base64"),
        ({"images": ["data:image/png,xyz"]}, "images[0] is a data: URL that is not in base64"),
        ({"images": [RED], "prompt": "p"}, "'prompt' is nothing that is asked for"),
        ({"images": [RED], "prompts": ["a", "b"]}, "prompts has 2 entries for 1 images"),
        ({"images": [RED], "prompts": []}, "prompts has 0 entries for 1 images"),
        ({"images": [RED], "prompts": [None]}, "prompts[0] is NoneType, not a string"),
        ({"images": [RED], "prompts": "p", "metadata": [1]}, "metadata[0] is int, not an object"),
        ({"images": [RED]}, "this ranker needs a prompt for every image, and images[0] has none"),
    ],
)
def test_a_question_that_is_wrong_is_refused_in_one_line(question, says):
    with serving("prompt-color") as server:
        if isinstance(question, dict) and "needs a prompt" not in says:
            question = {"prompts": "p", **question}
        status, said = ask(server, "/score", question)
    assert status == 400 and says in said["error"] and "\n" not in said["error"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff",
        b"[" * 100_000,
        b'{"images": ["x"], "metadata": {"a": NaN}}',
        b'{"images": ["x"], "metadata": {"a": 1e999}}',
        b'{"images": ["x"], "images": ["y"]}',
        b"9" * 5000,
    ],
)
def test_a_body_that_is_no_json_is_refused(body):
    with serving() as server:
        status, said = request(server, "POST", "/score", body)
    assert status == 400 and "Traceback" not in json.loads(said)["error"]


def test_images_of_one_prompt_with_different_metadata_are_not_compared():
    question = {"images": [RED] * 2, "prompts": "p", "metadata": [{"a": 1}, {"a": 2}]}
    with serving(f"{__name__}:Widest") as server:
        status, said = ask(server, "/score", question)
    assert (
        status == 400
        and "images 0 and 1 (counted from 0) have one prompt and different metadata" in said["error"]
    )


def test_images_and_their_pixels_are_limited_in_number(monkeypatch):
    monkeypatch.setattr(questions, "IMAGES", 3)
    with serving(limit=3000) as server:
        assert ask(server, "/score", {"images": [RED] * 4})[0] == 413
        status, said = ask(server, "/score", {"images": [encoded(size=(40, 40))]})
        assert status == 413 and "more than 3000 bytes of pixels" in said["error"]
        assert ask(server, "/score", {"images": [RED] * 3})[0] == 200
        assert ask(server, "/score", {"images": ["A" * 4000]})[0] == 413


def test_every_address_wants_the_token():
    with serving(token="hush") as server:
        for method, path in (("POST", "/score"), ("GET", "/openapi.json"), ("GET", "/healthz")):
            assert request(server, method, path, b"{}")[0] == 401
            assert request(server, method, path, b"{}", Authorization="Bearer hush")[0] in (200, 400)


def test_healthz_says_that_the_server_answers():
    with serving() as server:
        assert json.loads(request(server, "GET", "/healthz")[1]) == {
            "status": "ok",
            "waiting": 0,
            "busy": 0.0,
        }


def openapi(server, **headers):
    return json.loads(request(server, "GET", "/openapi.json", None, **headers)[1])


def test_the_openapi_document_names_every_address_with_its_errors():
    with serving("sharpness") as server:
        said = openapi(server)
        for path, methods in said["paths"].items():
            for method in methods:
                assert request(server, method.upper(), path, b"")[0] != 404
    assert set(said["paths"]) == {"/", "/rank", "/score", "/healthz", "/openapi.json"}
    assert said["info"]["title"] == "rankkit: sharpness" and said["security"] == []
    assert {"200", "400", "401", "403", "413", "429"} <= set(said["paths"]["/score"]["post"]["responses"])


def test_the_openapi_document_says_whether_a_token_is_wanted():
    with serving(token="hush") as server:
        assert openapi(server, Authorization="Bearer hush")["security"] == [{"token": []}]


def test_questions_and_answers_are_as_the_openapi_document_says():
    jsonschema = pytest.importorskip("jsonschema")
    with serving("sharpness") as server:
        post = openapi(server)["paths"]["/score"]["post"]
        asks = post["requestBody"]["content"]["application/json"]["schema"]
        says = {
            status: each["content"]["application/json"]["schema"]
            for status, each in post["responses"].items()
        }
        question = {"images": [RED, "QUFB"], "prompts": "p", "metadata": [None, {"a": 1}]}
        jsonschema.validate(question, asks)
        jsonschema.validate(ask(server, "/score", question)[1], says["200"])
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate({"prompts": "p"}, asks)
        jsonschema.validate(ask(server, "/score", {})[1], says["400"])
        greeting = openapi(server)["paths"]["/"]["get"]["responses"]["200"]["content"]["application/json"]
        jsonschema.validate(json.loads(request(server, "GET", "/")[1]), greeting["schema"])


def test_json_and_the_wire_give_the_same_scores():
    images = [encoded(color, (16, 16)) for color in ("red", "teal")]
    group = rankkit.Group("", tuple(Image.new("RGB", (16, 16), color) for color in ("red", "teal")))
    with serving("colorfulness") as server:
        _, body = request(server, "POST", "/rank", wire.encode_groups([group]))
        assert ask(server, "/score", {"images": images})[1]["scores"] == list(
            wire.decode_rankings(body)[0].scores
        )
