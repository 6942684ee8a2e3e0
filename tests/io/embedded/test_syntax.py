"""A program's syntax and plain words: what rankers get describes the image."""

import pytest

from rankkit.io.prompts.syntax import plain_words


@pytest.mark.parametrize(("written", "plain"), [
    ("a fox in snow, (fur:1.3) <lora:snow:0.8>", "a fox in snow, fur"),
    ("((masterpiece)), [[plain]], {{soft}}", "masterpiece, plain, soft"),
    ("a blue apple <lora:red-dress:0.8>", "a blue apple"), ("<lyco:x:1:0.5>a fox<hypernet:y:1>", "a fox"),
    (("a fox BREAK a "
        "dog"), "a fox a dog"), (("(a fox:1.2), "
            "(snow:-0.5)"), "a fox, snow"), (r"miku \(vocaloid\)", "miku (vocaloid)"),
    (("[fox:dog:0.5] in "
        "snow"), "fox dog in snow"), ("a [red:10] fox", "a red fox"), ("a [red::0.3] fox", "a red fox"),
    (("at 10:30, a "
        "fox"), "at 10:30, a fox"), ("a < b, c > d", "a < b, c > d"), ("two\nlines", "two lines"), ("", ""),
    ("a [cow|horse|goat] in grass", "a cow horse goat in grass"), ("[[fox:dog:0.5]:cat:0.8]", "fox dog cat"),
    ("a cat AND a dog", "a cat and a dog"), ("a cat :1.2 AND a dog:0.8", "a cat and a dog"),
    ("a cat AND blurry :-1", "a cat"), ("a cat AND_PERP a dog :0.5", "a cat and a dog"),
    ("a sign that says SALT AND PEPPER", "a sign that says SALT AND PEPPER"),
    ("in NYC AND a dog", "in NYC and a dog"),
    ("a BRAND of tea", "a BRAND of tea"), ("a cat, embedding:easy-v2, sitting", "a cat, sitting"),
    ("a cat, (embedding:bad.pt:1.2)", "a cat"), ("1.5::rain, night::, street", "rain, night, street"),
    ("a red++ (apple)-- in C++", "a red apple in C++"),
    ("street, -1::hat::, snow", "street, snow"), ("street, -2::hat", "street"), ("ratio 3:2", "ratio 3:2"),
    ("a fox<break>a dog", "a fox a dog"), ("a <fromto[0.5]:<lora:a:1>,b> fox", "a fox"),
])  # fmt: skip
def test_plain_words_are_what_describes_the_image(written, plain):
    assert plain_words(written) == plain == plain_words(plain) or "(" in plain


def test_strengths_of_one_prompt_are_one_group_of_plain_words():
    assert len({plain_words(f"a red apple <lora:fruit:{strength}>") for strength in (0.2, 0.4, 0.8)}) == 1


def test_hostile_prompts_take_no_time_to_be_plain():
    for piece in (
        "[a:",
        "[",
        "(",
        "<a:",
        "<a[",
        "1::",
        "a AND ",
        "[a|",
        "{a|",
        ": 1",
        "embedding:",
        "\\(",
        ",",
        " ,",
    ):
        assert isinstance(plain_words(piece * 20_000), str)
