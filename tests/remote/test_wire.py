import contextlib
import io
import json
import math
import os
import struct
import threading
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from rankkit.core.types import Group, Ranking
from rankkit.errors import RankkitError
from rankkit.remote import frames, wire

TEXT = st.text(st.characters(exclude_categories=()), max_size=20)  # every code point, lone surrogates too
KEYS = TEXT | st.sampled_from(["$", "$$", "error"])


def nested(inner):
    return (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(KEYS, inner, max_size=3)
    )


VALUES = st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | TEXT, nested, max_leaves=8)
MAPPINGS = st.dictionaries(KEYS, VALUES, max_size=3)


@st.composite
def images(draw):
    return Image.frombytes(
        "RGB", draw(st.sampled_from([(1, 12), (3, 4), (6, 2)])), draw(st.binary(min_size=36, max_size=36))
    )


@st.composite
def groups(draw):
    drawn = draw(st.lists(images(), max_size=3))
    names = draw(st.just([]) | st.lists(TEXT, min_size=len(drawn), max_size=len(drawn)))
    return Group(draw(TEXT), tuple(drawn), draw(TEXT), tuple(names), draw(MAPPINGS))


ERRORS = st.floats().map(lambda error: -error if error < 0 else error)  # standard errors, NaN too


@st.composite
def rankings(draw):
    n = draw(st.integers(0, 4))
    stderr = draw(st.none() | st.lists(ERRORS, min_size=n, max_size=n).map(tuple))
    details = draw(st.just(()) | st.lists(MAPPINGS, min_size=n, max_size=n).map(tuple))
    scores = tuple(draw(st.lists(st.floats(allow_infinity=False), min_size=n, max_size=n)))
    return Ranking(scores, draw(st.sampled_from(["pointwise", "pairwise", "listwise"])), stderr, details)


def exactly(value):
    """A value with its types and every bit of its floats, NaN included, so that == means the same."""
    if isinstance(value, float):
        return ("float", "nan" if math.isnan(value) else value.hex())
    if isinstance(value, (list, tuple)):
        return (type(value), [exactly(item) for item in value])
    if isinstance(value, dict):
        return [(key, exactly(item)) for key, item in value.items()]
    return (type(value), value)


def bits(numbers):
    return numbers and struct.pack(f"<{len(numbers)}d", *numbers)


def small_message():
    image = Image.new("RGB", (3, 2), (1, 2, 3))
    return wire.encode_groups(
        [Group("a cat", (image, image), "g", ("a.png", "b.png"), {"tag": [1, math.nan]})]
    )


def message(header, body=b"", what=b"RKgr", version=wire.VERSION):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<4sBI", what, version, len(text)) + text + body


def frame(data):
    stream = io.BytesIO()
    frames.write_frame(stream, data)
    return stream.getvalue()


@settings(deadline=None)
@given(st.lists(groups(), max_size=3))
def test_groups_arrive_as_they_were_sent(sent):
    received = wire.decode_groups(wire.encode_groups(sent))
    for before, after in zip(sent, received, strict=True):
        assert (before.prompt, before.id, before.names) == (after.prompt, after.id, after.names)
        assert exactly(before.metadata) == exactly(after.metadata)
        assert before.images == after.images and all(image.mode == "RGB" for image in after.images)


@settings(deadline=None)
@given(st.lists(rankings(), max_size=3))
def test_rankings_arrive_equal_to_the_bit(sent):
    received = wire.decode_rankings(wire.encode_rankings(sent))
    for before, after in zip(sent, received, strict=True):
        assert before.kind == after.kind
        assert bits(before.scores) == bits(after.scores) and bits(before.stderr) == bits(after.stderr)
        assert exactly(before.details) == exactly(after.details)


def test_adjacent_surrogates_are_not_joined_into_one_character():
    (group,) = wire.decode_groups(wire.encode_groups([Group("\ud83d\ude00", ())]))
    assert len(group.prompt) == 2


def test_an_abstention_keeps_the_bits_of_its_nan():
    odd = struct.unpack("<d", b"\x01\x00\x00\x00\x00\x00\xf8\xff")[0]
    (ranking,) = wire.decode_rankings(wire.encode_rankings([Ranking((odd, -0.0))]))
    assert bits(ranking.scores) == bits((odd, -0.0))


def test_the_json_of_a_message_is_strict():
    data = wire.encode_rankings([Ranking((math.nan,), details=({"logit": math.nan, "box": (1, math.inf)},))])
    text = data[9 : 9 + int.from_bytes(data[5:9], "little")]
    json.loads(text, parse_constant=lambda word: pytest.fail(f"{word} is not JSON"))


def test_numpy_numbers_in_details_arrive_as_python_numbers():
    details = {"a": np.float32(0.5), "b": np.int64(3), "c": np.bool_(True), "d": np.float64(0.1)}
    (ranking,) = wire.decode_rankings(wire.encode_rankings([Ranking((1.0,), details=(details,))]))
    assert exactly(ranking.details[0]) == exactly({"a": 0.5, "b": 3, "c": True, "d": 0.1})


NO_JSON = [
    b"raw",
    {1, 2},
    {1: "a"},
    np.zeros(2),
    Image.new("RGB", (1, 1)),
    object(),
    10**5000,
    np.datetime64("2020-01-01"),
]


@pytest.mark.parametrize("value", NO_JSON, ids=lambda value: type(value).__name__)
def test_what_json_cannot_hold_is_refused_when_it_is_sent(value):
    with pytest.raises(RankkitError):
        wire.encode_groups([Group("p", (), metadata={"clauses": [value]})])


def test_a_refusal_names_the_place_and_the_type():
    with pytest.raises(RankkitError, match=r"ranking 1, details\[0\]\['boxes'\]\[2\] is set"):
        wire.encode_rankings([Ranking(()), Ranking((1.0,), details=({"boxes": [1, 2, {3}]},))])


def test_metadata_that_holds_itself_is_refused():
    endless: list = []
    endless.append(endless)
    with pytest.raises(RankkitError, match="nested too deep"):
        wire.encode_groups([Group("p", (), metadata={"me": endless})])


@pytest.mark.parametrize("size", [(0, 0), (0, 5), (wire.MAX_SIDE + 1, 0)])
def test_an_image_without_pixels_is_refused_when_it_is_sent(size):
    with pytest.raises(RankkitError, match="group 0, image 0 has the size"):
        wire.encode_groups([Group("p", (Image.new("RGB", size),))])


def test_a_file_cut_short_is_refused_when_it_is_sent():
    buffer = io.BytesIO()
    Image.effect_noise((64, 64), 50).convert("RGB").save(buffer, "PNG")
    with pytest.raises(RankkitError, match="group 0, image 0 cannot be decoded"):
        wire.encode_groups([Group("p", (Image.open(io.BytesIO(buffer.getvalue()[:1000])),))])


PLAIN = {"prompt": "", "id": "", "names": [], "metadata": {}, "sizes": []}
DAMAGED_GROUPS = [
    b"",
    b"RKgr",
    b"\x80\x04\x95pickled",
    message([], what=b"RKrk"),
    message([], version=2),
    message([], b"trailing"),
    message([])[:-1],
    message({}),
    message(b"\xff"),
    message(b"[NaN]"),
    message(b"[1e999]"),
    message(b"[" * 100_000),
    message(b"[" + b"9" * 5000 + b"]"),
    *(
        message([{**PLAIN, **entry}])
        for entry in (
            {"prompt": 1},
            {"id": None},
            {"names": ["a"]},
            {"names": [1]},
            {"metadata": {"$": 1}},
            {"metadata": {"$": []}},
            {"sizes": {}},
        )
    ),
    *(
        message([{**PLAIN, "sizes": sizes}], b"123")
        for sizes in (
            [[1, 2]],
            [[1]],
            [[-1, -1]],
            [[True, 1]],
            [[1.0, 1]],
            [[0, 10**9]],
            [[10**9, 10**9]],
            [[1, 1], [0, 5]],
            ["11"],
        )
    ),
    message([{}]),
    message([[]]),
    message([{**PLAIN, "sizes": [[1, 1], [10**4299, 1]]}]),
]
SILENT = {"kind": "listwise", "count": 0, "stderr": False, "details": []}
DAMAGED_RANKINGS = [
    message([{**SILENT, **entry} for entry in entries], body, what=b"RKrk")
    for entries, body in (
        ([{"count": -1}, {"count": 1}], b""),
        ([{"count": 2**62}], b""),
        ([{"count": 10**4299}], b""),
        ([{"count": True}], bytes(8)),
        ([{"count": 1, "stderr": 1}], bytes(16)),
        ([{"count": 1, "kind": "best"}], bytes(8)),
        ([{"count": 1, "details": [1]}], bytes(8)),
        ([{"count": 1, "details": [{}, {}]}], bytes(8)),
        ([{"count": 1}], struct.pack("<d", math.inf)),
        ([{"count": 1}], bytes(7)),
    )
]
CASES = [(wire.decode_groups, data) for data in DAMAGED_GROUPS] + [
    (wire.decode_rankings, data) for data in DAMAGED_RANKINGS
]


@pytest.mark.parametrize(("decode", "data"), CASES, ids=range(len(CASES)))
def test_damaged_or_hostile_bytes_give_one_clear_error(decode, data):
    with pytest.raises(RankkitError) as caught:
        decode(data)
    assert len(str(caught.value)) < 300


@settings(max_examples=500, deadline=None)
@given(st.data())
def test_random_damage_never_raises_anything_but_our_error(data):
    rankings = wire.encode_rankings([Ranking((1.0, 2.0), "pairwise", (0.1, 0.2), ({}, {"a": 1}))])
    good = data.draw(st.sampled_from([small_message(), rankings]))
    damaged = bytearray(frame(good) if data.draw(st.booleans()) else good)
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(damaged)))
        damaged[start : start + data.draw(st.integers(0, 3))] = data.draw(
            st.binary(max_size=3) | st.sampled_from([b"[", b"}", b"9", b'"'])
        )
    for read in (
        wire.decode_groups,
        wire.decode_rankings,
        lambda raw: frames.read_frame(io.BytesIO(raw), limit=10**6),
    ):
        with contextlib.suppress(RankkitError):
            read(bytes(damaged))


@settings(deadline=None)
@given(st.lists(st.binary(max_size=50), max_size=4))
def test_frames_come_out_of_a_pipe_as_they_went_in(sent):
    stream = io.BytesIO(b"".join(map(frame, sent)))
    assert [frames.read_frame(stream, limit=50) for _ in sent] == sent
    assert frames.read_frame(stream, limit=50) is None


@pytest.mark.parametrize("buffering", [-1, 0])
def test_a_large_frame_passes_a_real_pipe_in_pieces(buffering):
    data = os.urandom(3 * frames.CHUNK + 17)
    reading, writing = os.pipe()
    with open(reading, "rb", buffering) as source, open(writing, "wb", buffering) as sink:
        thread = threading.Thread(target=frames.write_frame, args=(sink, data))
        thread.start()
        assert frames.read_frame(source, limit=len(data)) == data
        thread.join()


def test_a_frame_cut_off_anywhere_says_so():
    whole = frame(small_message())
    for stop in range(1, len(whole)):
        with pytest.raises(RankkitError, match="cut off after"):
            frames.read_frame(io.BytesIO(whole[:stop]), limit=10**6)


UNREADABLE = {
    "11 bytes, the limit is 10": frame(b"12345678901"),
    "Loading check": b"Loading checkpoint shards",
    "wire version 2, this one 1": b"RKfr\x02" + bytes(8),
}


@pytest.mark.parametrize("says", UNREADABLE)
def test_a_frame_that_cannot_be_read_says_why(says):
    with pytest.raises(RankkitError, match=says):
        frames.read_frame(io.BytesIO(UNREADABLE[says]), limit=10)


def test_nothing_is_allocated_on_a_mere_claim():
    tracemalloc.start()
    with pytest.raises(RankkitError):
        frames.read_frame(
            io.BytesIO(struct.pack("<4sBQ", b"RKfr", wire.VERSION, 2**62) + b"few"), limit=2**63
        )
    for claim in (
        message([{**PLAIN, "sizes": [[2**20, 2**20]] * 1000}]),
        struct.pack("<4sBI", b"RKgr", wire.VERSION, 2**32 - 1),
    ):
        with pytest.raises(RankkitError):
            wire.decode_groups(claim)
    assert tracemalloc.get_traced_memory()[1] < 2 * frames.CHUNK
    tracemalloc.stop()


def test_a_negative_standard_error_on_the_wire_is_refused_by_name():
    good = wire.encode_rankings([Ranking((1.0, 2.0), "listwise", (0.5, 0.25))])
    bad = good.replace(struct.pack("<d", 0.25), struct.pack("<d", -0.25))
    with pytest.raises(RankkitError, match=r"the standard error of score 1 is -0\.25"):
        wire.decode_rankings(bad)
