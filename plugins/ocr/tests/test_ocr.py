"""Reading rendered text, and what becomes of what was read."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFont

import rankkit

pytest.importorskip("rapidocr", reason="rankkit-ocr is not installed")

from rankkit.testing import check_ranker
from rankkit_ocr.text import distance, likeness, plain, quoted


def sign(*lines, size=40, ink="black", ground="white"):
    image = Image.new("RGB", (420, 60 + 60 * len(lines)), ground)
    for i, line in enumerate(lines):
        ImageDraw.Draw(image).text((20, 30 + 60 * i), line, ink, ImageFont.load_default(size))
    return image


@pytest.fixture(scope="module")
def ocr():
    return rankkit.load("ocr:threads=1")


def scores(ranker, prompt, *images):
    (ranking,) = ranker.rank([rankkit.Group(prompt, images)])
    return ranking


@pytest.mark.parametrize("text", ["Fresh Bread", "OPEN 24 HOURS", "Hello World", "Mind the gap", "2026"])
def test_rendered_text_is_read_exactly(ocr, text):
    ranking = scores(ocr, f'a sign that says "{text}"', sign(text), sign(text, ink="yellow", ground="navy"))
    assert ranking.scores == (1, 1) and ranking.details[0]["wanted"] == [text]


def lettered(text, font="DejaVuSans", size=40):
    try:
        face = ImageFont.truetype(f"{font}.ttf", size)
    except OSError:
        pytest.skip(f"the font {font} is not installed")
    image = Image.new("RGB", (int(face.getlength(text)) + 60, 2 * size + 40), "white")
    ImageDraw.Draw(image).text((30, 20), text, "black", face)
    return image


@pytest.mark.parametrize("size", [12, 18, 40, 100])
@pytest.mark.parametrize(
    "font", ["DejaVuSans", "DejaVuSans-Bold", "DejaVuSerif", "DejaVuSerif-BoldItalic", "DejaVuSansMono"]
)
def test_text_is_read_in_every_font_and_size(ocr, font, size):
    assert scores(
        ocr, 'a sign that says "Fresh Bread 24/7"', lettered("Fresh Bread 24/7", font, size)
    ).scores == (1,)


@pytest.mark.parametrize("text", ["Bäckerei", "Crème brûlée", "Größe", "señor", "Łódź", "$9.99!"])
def test_accents_and_signs_are_read(ocr, text):
    assert scores(ocr, f'a sign that says "{text}"', lettered(text, size=48)).scores == (1,)


def test_turned_and_small_text_is_read(ocr):
    photo = Image.new("RGB", (768, 768), (90, 120, 80))
    photo.paste(lettered("OPEN", "DejaVuSans-Bold"), (300, 500))
    images = [
        photo,
        *(lettered("OPEN").rotate(angle, expand=True, fillcolor="white") for angle in (15, 90, 180)),
    ]
    assert scores(ocr, 'a sign that says "OPEN"', *images).scores == (1, 1, 1, 1)


def test_letters_that_the_reader_does_not_know_are_abstained_on_and_not_called_missing(ocr):
    ranking = scores(ocr, 'a sign that says "Привет"', lettered("Привет"), Image.new("RGB", (64, 64)))
    assert (
        all(map(math.isnan, ranking.scores))
        and "does not know the letters 'привет'" in ranking.details[0]["error"]
    )
    assert ocr.unknown(["Fresh Bread 24/7", "Bäckerei", "你好", "E=mc²", "★"]) == ""


def test_of_several_quoted_texts_each_is_looked_for_and_letters_weigh_alike(ocr):
    prompt = 'a door with "PUSH" above "Welcome home"'
    ranking = scores(ocr, prompt, sign("PUSH", "Welcome home"), sign("Welcome home"), sign("PUSH"))
    assert ranking.scores[0] == 1 and ranking.ranks == (1, 2, 3)
    assert ranking.details[0]["wanted"] == ["PUSH", "Welcome home"]


def test_a_misspelt_sign_scores_by_its_wrong_letters_and_none_scores_nothing(ocr):
    ranking = scores(
        ocr,
        'a sign that says "Fresh Bread"',
        sign("Fresh Bread"),
        sign("Fresh Broad"),
        sign("zzzz"),
        Image.new("RGB", (99, 99)),
    )
    assert ranking.ranks[:2] == (1, 2) and ranking.scores[1] == pytest.approx(0.9) and ranking.scores[3] == 0
    assert ranking.scores[2] < 0.2 and ranking.details[1]["read"] == ["Fresh Broad"]


def test_text_over_several_lines_is_one_text(ocr):
    assert scores(ocr, "the words “Happy Birthday Anna”", sign("Happy", "Birthday", "Anna")).scores == (1,)


def test_other_text_does_no_harm_unless_the_whole_is_to_match(ocr):
    image = sign("Fresh Bread", "every day")
    assert scores(ocr, 'a sign "Fresh Bread"', image).scores == (1,)
    assert scores(rankkit.load("ocr:match=whole,threads=1"), 'a sign "Fresh Bread"', image).scores[
        0
    ] == pytest.approx(1 - 8 / 10)


def test_a_prompt_that_quotes_nothing_is_abstained_on_with_advice(ocr):
    ranking = scores(ocr, "a dog that can't be Anna's", sign("Anna"))
    assert math.isnan(ranking.scores[0]) and "quotes" in ranking.details[0]["error"]


def test_it_passes_the_contract_check(ocr):
    groups = [rankkit.Group('a sign "Fresh Bread"', (sign("Fresh Bread"), sign("Bread")), "a")]
    check_ranker(ocr, groups=groups, reload=lambda **options: rankkit.load("ocr", **options))


def test_a_confidence_that_cannot_be_is_refused():
    with pytest.raises(rankkit.RankkitError, match="min_confidence=2"):
        rankkit.load("ocr:min_confidence=2.0")


@pytest.mark.parametrize(
    ("prompt", "texts"),
    [
        ('a sign "Joe\'s Diner" and “Open”', ["Joe's Diner", "Open"]),
        ("a shirt with 'rock'n'roll' on it", ["rock'n'roll"]),
        ("the dog's bone and the cats' milk", []),
        ("ein Schild „Bäckerei“ am Haus", ["Bäckerei"]),
        ("une affiche « Liberté »", ["Liberté"]),
        ("写着「你好」的招牌", ["你好"]),
        ("‘it’s’ on a wall", ["it’s"]),
        ('"" and " "', []),
        ('a 6" ruler and a sign "OPEN"', ["OPEN"]),
        ('a 5\'10" man with a sign "HI"', ["HI"]),
        ('a 12" x 12" tile', []),
        ("a sign ''OPEN'' beside ``CLOSED''", ["OPEN", "CLOSED"]),
        (r"a sign \"OPEN\"", ["OPEN"]),
        ("»OPEN« ‹or› ‚CLOSED‘ ”or” ＂not＂", ["OPEN", "or", "CLOSED", "or", "not"]),
        ("a rock 'n' roll band", []),
        ("", []),
    ],
)
def test_what_is_quoted_is_found_in_quotes_of_any_usual_kind(prompt, texts):
    assert quoted(prompt) == texts


@pytest.mark.parametrize("prompt", ['a "sign" says "OPEN', "“你好，“世界””", 'a sign "OPEN and “CLOSED”'])
def test_where_a_quote_is_left_open_nobody_knows_what_is_quoted(prompt):
    assert quoted(prompt) == []


@pytest.mark.parametrize("prompt", ["‘a " * 30_000, "'a " * 30_000, '"' * 90_001, "“" * 90_000])
def test_no_prompt_takes_long_to_read(prompt):
    quoted(prompt)


def test_signs_that_nobody_sees_are_not_wanted():
    assert plain("\u200bOPEN\u00ad\ufe0f\u202e") == "open"


def test_an_emoji_that_the_reader_does_not_know_is_abstained_on(ocr):
    ranking = scores(ocr, 'a sign "🙂"', sign("smile"))
    assert math.isnan(ranking.scores[0]) and "does not know the letters '🙂'" in ranking.details[0]["error"]


def test_case_space_and_compatible_letters_do_not_matter():
    assert plain("Fresh  BREAD\nﬁne") == plain("freshbread fine")


@pytest.mark.parametrize(
    ("wanted", "read", "whole", "anywhere"),
    [
        ("kitten", "sitting", 3, 2),
        ("abc", "xxabcxx", 4, 0),
        ("abc", "", 3, 3),
        ("", "abc", 3, 0),
        ("flaw", "lawn", 2, 1),
    ],
)
def test_the_distance_is_levenshteins(wanted, read, whole, anywhere):
    assert (
        distance(wanted, read, anywhere=False) == whole and distance(wanted, read, anywhere=True) == anywhere
    )


@given(st.text(alphabet="abc", max_size=6), st.text(alphabet="abc", max_size=6))
def test_the_best_passage_is_the_passage_with_the_least_distance(wanted, read):
    passages = {read[i:j] for i in range(len(read) + 1) for j in range(i, len(read) + 1)}
    assert distance(wanted, read, anywhere=True) == min(
        distance(wanted, passage, anywhere=False) for passage in passages
    )


@given(
    st.lists(st.text(alphabet="abc", min_size=1, max_size=5), min_size=1, max_size=3),
    st.text(alphabet="abc", max_size=9),
    st.booleans(),
)
def test_likeness_is_between_nothing_and_everything(wanted, read, anywhere):
    assert 0 <= likeness(wanted, read, anywhere=anywhere) <= 1
    assert likeness(wanted, "".join(wanted), anywhere=anywhere) == 1
