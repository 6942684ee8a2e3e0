"""Targets in memory: the wire, specs, texts of image files, replies of judges."""

from __future__ import annotations

import io
import json
import struct
from collections.abc import Sequence
from random import Random

from PIL import Image

from benchmarks.fuzz.mutate import changed
from benchmarks.fuzz.target import Target
from rankkit import Group, Ranking
from rankkit.io.prompts.embedded.source import read_texts
from rankkit.registry.spec import parse, with_options
from rankkit.remote import frames, handshake, wire

HEAD = struct.Struct("<4sBI")
SPECS = (
    "hpsv3",
    "clip:model=ViT-L-14-quickgelu,device=cuda:1",
    "pickscore:checkpoint=/models/PickScore_v1",
    "package.module:function",
    "package.module:function:quality=80,label='a,b*2'",
    'sharpness*2+contrast*0.5+"odd name":key="a+b"',
    "http://gpu7:8085",
    "https://[::1]:8085/path*2+contrast",
)
A1111 = "a red fox\nNegative prompt: blurry\nSteps: 20, Sampler: Euler, Seed: 1, Size: 512x512, Model: m"
GRAPH = {
    "3": {
        "class_type": "KSampler",
        "inputs": {"positive": ["6", 0], "negative": ["7", 0], "model": ["4", 0]},
    },
    "6": {"class_type": "CLIPTextEncode", "inputs": {"text": ["20", 0], "clip": ["4", 1]}},
    "7": {"class_type": "CLIPTextEncode", "inputs": {"text": "blurry", "clip": ["4", 1]}},
    "20": {
        "class_type": "StringConcatenate",
        "inputs": {"string_a": "a", "string_b": "fox", "delimiter": " "},
    },
    "8": {"class_type": "VAEDecode", "inputs": {"samples": ["3", 0], "vae": ["4", 2]}},
    "9": {"class_type": "SaveImage", "inputs": {"images": ["8", 0], "filename_prefix": "x"}},
}
SWARM = {"sui_image_params": {"prompt": "a fox<segment:eye>part", "negativeprompt": "blurry", "model": "m"}}
NOVEL = {
    "prompt": "a fox",
    "uc": "blurry",
    "v4_prompt": {"caption": {"base_caption": "a fox", "char_captions": []}},
}
INVOKE = {"positive_prompt": "a fox", "negative_prompt": "blurry", "model": {"name": "m"}}
FOOOCUS = {"prompt": "a fox", "negative_prompt": "blurry", "full_prompt": ["a"], "version": "Fooocus v2.2.1"}
TEXTS = (
    {"parameters": A1111},
    {"UserComment": A1111},
    {"prompt": json.dumps(GRAPH)},
    {"parameters": json.dumps(SWARM)},
    {"Comment": json.dumps(NOVEL), "Software": "NovelAI"},
    {"invokeai_metadata": json.dumps(INVOKE)},
    {"parameters": json.dumps(FOOOCUS), "fooocus_scheme": "fooocus"},
    {"Description": "a fox --ar 1:1 --v 6 Job ID: 0000"},
)
REPLIES = (
    "**Answer:** Image B.",
    "<think>Rather B.</think> A",
    '{"winner": "Image A", "reason": "it is sharper"}',
    "\\boxed{\\text{B}}",
    "I'm sorry, I can't compare these images.",
)
COMPLETION = {
    "choices": [
        {
            "message": {"content": REPLIES[0], "reasoning_content": "thinks", "refusal": None},
            "finish_reason": "stop",
            "logprobs": {"content": [{"top_logprobs": [{"token": "A", "logprob": -0.1}]}]},
        }
    ],
    "usage": {"prompt_tokens": 3, "completion_tokens": 1},
    "error": None,
}


def messages() -> list[bytes]:
    """One of each message of the wire."""
    images = tuple(Image.new("RGB", (3 + i, 2)) for i in range(2))
    group = Group("a fox", images, "g", ("a.png", "b.png"), {"seed": 1, "cfg": (1.5, float("nan"))})
    ranking = Ranking((1.0, float("nan")), "pointwise", (0.1, 0.2), ({"seen": "x"}, {"error": "none"}))
    info = handshake.WorkerInfo("x", "1", {"a": 1}, "pointwise", False)
    return [
        wire.encode_groups([group, group]),
        wire.encode_rankings([ranking, ranking]),
        handshake.encode_handshake(info),
        handshake.encode_error(ValueError("no such thing"), "x"),
    ]


def repacked(rng: Random, data: bytes, others: Sequence[bytes]) -> bytes:
    """A message whose header is changed and announced with its right length; its pixels or scores too."""
    if len(data) < HEAD.size:
        return changed(rng, data, others)
    what, version, length = HEAD.unpack_from(data)
    header, body = data[HEAD.size : HEAD.size + length], data[HEAD.size + length :]
    if rng.random() < 0.8:
        header = changed(rng, header)
    if rng.random() < 0.4:
        body = changed(rng, body)
    return HEAD.pack(what, version, len(header)) + header + body


def read_message(data: bytes) -> object:
    """As either side reads a message, and as a frame of a pipe."""
    if data[:4] == b"RKgr":
        return len(wire.decode_groups(data))
    if data[:4] == b"RKhi":
        return handshake.decode_handshake(data, "x").kind
    if data[:4] == b"RKfr":
        return frames.read_frame(io.BytesIO(data), limit=2**31) is None
    return len(handshake.decode_reply(data))


def read_spec(data: bytes) -> object:
    """A spec, and the same with an option more."""
    text = data.decode("utf-8", "surrogateescape")
    members = parse(text)
    if len(members) == 1 and members[0][1] is None and "://" not in text:
        again = parse(with_options(text, {"added": "1,2"}))
        assert again[0][0].options["added"] == "1,2", again
    return len(members)


def read_embedded(data: bytes) -> object:
    """The prompt in texts of an image file, of any names."""
    try:
        texts = json.loads(data)
    except (ValueError, RecursionError):
        texts = None
    if not isinstance(texts, dict):
        return "no texts"
    found = read_texts({str(name): str(text) for name, text in texts.items()}, "ComfyUI_00001_.png")
    return found and (found.program, found.prompt is None, found.why[:20])


def changed_text(rng: Random, data: bytes, others: Sequence[bytes]) -> bytes:
    """Texts of a file of which one is changed within."""
    try:
        texts = json.loads(data)
        name = rng.choice(sorted(texts))
        inside = str(texts[name]).encode("utf-8", "surrogatepass")
        texts[name] = changed(rng, inside).decode("utf-8", "surrogateescape")
        return json.dumps(texts).encode()
    except (ValueError, RecursionError, AttributeError, TypeError, IndexError):
        return changed(rng, data, others)


def read_reply(data: bytes) -> object:
    """A judge's answer to a request, as the judges read it: its JSON, its text, its log-probabilities."""
    from rankkit_vlm_judge.replies import Reply, from_text, from_top
    from rankkit_vlm_judge.server.completions import read, usage_of
    from rankkit_vlm_judge.server.failures import HttpAnswer, exception_of

    labels = ("A", "B")
    if not data.startswith(b"{"):
        return from_text(Reply(data.decode("utf-8", "replace")), labels).outcome
    answer = HttpAnswer("http://x", "key", 200, {}, data)
    if not answer.good:
        return type(exception_of(answer)).__name__
    reply = read(answer.json)
    return from_text(reply, labels).outcome, from_top(reply, labels).outcome, usage_of(answer.json) is None


def judge_failures() -> tuple[type[BaseException], ...]:
    """What reading a judge's answer may raise."""
    from rankkit.errors import RankkitError
    from rankkit_vlm_judge.server.failures import Failed

    return (RankkitError, Failed)


def targets() -> list[Target]:
    """The targets of this file."""
    texts = [json.dumps(each).encode() for each in TEXTS]
    replies = [json.dumps(COMPLETION).encode(), *map(str.encode, REPLIES)]
    return [
        Target("wire", read_message, messages, 120, repacked),
        Target("specs", read_spec, lambda: list(map(str.encode, SPECS)), 80),
        Target("texts of image files", read_embedded, lambda: texts, 80, changed_text),
        Target("replies of judges", read_reply, lambda: replies, 80, typed=judge_failures()),
    ]
