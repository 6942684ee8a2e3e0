"""The page in a real browser, by keyboard: nothing that was answered is lost, whatever is killed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from accessibility import AXE, serious
from browser import CHROMIUM, Browser
from labelling import Labelling
from score_runs import save_image

from rankkit.choose.label.answers import AnswerFile, standing

pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="no chromium, chromium-browser or google-chrome on the PATH"
)

ATTACK = "<img src=x onerror='window.pwned = 1'><script>window.pwned = 1</script>" + "W" * 300


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with Browser() as page:
        yield page


@pytest.fixture
def page(browser: Browser) -> Browser:
    browser.look(1200, 800)
    return browser


@pytest.fixture
def pics(tmp_path: Path) -> Path:
    """Six images of one prompt and four of another, which is hostile."""
    lines = []
    for i in range(10):
        save_image(tmp_path / "pics" / f"{i}.png", i, (240, 180 + 90 * (i % 2)))
        lines.append({"file_name": f"{i}.png", "text": "a cat" if i < 6 else ATTACK})
    (tmp_path / "pics" / "metadata.jsonl").write_text("\n".join(map(json.dumps, lines)))
    return tmp_path


def on_disk(folder: Path) -> list[dict]:
    path = folder / "labels.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def answer(page: Browser, key: str) -> None:
    """Press a key and wait for the next question."""
    before = page.see("state.question.id")
    page.press(key)
    page.until(f"since !== null && state.question.id !== '{before}'")


def test_forty_answers_by_keyboard_with_undo_ties_a_reload_and_a_kill_lose_nothing(pics: Path, page: Browser):
    keys = ["ArrowLeft", "ArrowRight", "ArrowDown", "ArrowRight", " "] * 4
    words = {"ArrowDown": "tie", " ": "skip"}
    expected: list[str] = []
    first = Labelling(pics, "pics")
    with first:
        page.open(first.url)
        for key in keys:
            sides = page.see("[...document.querySelectorAll('main img')].length")
            assert sides == 2
            answer(page, key)
            expected.append(words.get(key, key))
            assert len(on_disk(pics)) == len(expected), "on the disk before the next question"
        answer(page, "ArrowUp")
        page.press("z", control=True)
        page.until("since !== null && state.questions === 18")
        expected = expected[:-2]
        waits = page.see("state.question.id")
        page.open(first.url)
        assert page.see("state.question.id") == waits, "a reload shows the question that waits"
        assert page.see("document.querySelector('h1').textContent === state.question.prompt")
        assert page.see("window.pwned") is None and page.errors == []
        first.kill()
        page.press("ArrowLeft")
        page.until("by('notice').textContent.includes('does not answer')")
    with Labelling(pics, "pics") as again:
        page.open(again.url)
        assert page.see("state.questions") == 18
        for key in ["ArrowRight", "ArrowLeft"] * 11:
            answer(page, key)
            expected.append(key)
        assert page.see("state.questions") == 40
        printed, said = again.stop()
    assert printed == "labels.jsonl\n" and "40 answers by ada" in said
    with AnswerFile(pics / "labels.jsonl") as file:
        stands = standing(file.answers)
        assert len(file.answers) == 44 and [side_of(each) for each in stands] == expected
    assert {each.who for each in stands} == {"ada"} and all((each.seconds or 0) > 0 for each in stands)
    assert all((pics / name).exists() for each in stands for name in (each.image_a, each.image_b))


def side_of(answer) -> str:
    if answer.choice in ("tie", "skip"):
        return answer.choice
    place = answer.place_a if answer.choice == "a" else answer.place_b
    return ("ArrowLeft", "ArrowRight")[place]


def test_a_page_that_is_closed_in_the_middle_of_an_answer_loses_nothing(pics: Path, page: Browser):
    with Labelling(pics, "pics") as work:
        page.open(work.url)
        for _ in range(5):
            before = len(on_disk(pics))
            asked = page.see("state.question.id")
            page.press("ArrowLeft")
            page.send("Page.navigate", url="about:blank")  # before what was answered can come back
            page.open(work.url)
            given = on_disk(pics)[before:]
            assert [line["question"] for line in given] in ([], [asked]), (
                "saved whole and once, or not at all"
            )
            assert (page.see("state.question.id") == asked) is (given == []), "and asked again if it was not"
        assert page.errors == []


def test_zoom_shows_the_other_image_in_the_same_place_and_answers_go_on_from_there(pics: Path, page: Browser):
    with Labelling(pics, "pics") as work:
        page.open(work.url)
        frame = "JSON.stringify(document.querySelector('#large img').getBoundingClientRect())"
        page.press("z")
        left, where = page.see("by('large').querySelector('img').src"), page.see(frame)
        page.press("z")
        right = page.see("by('large').querySelector('img').src")
        assert left.endswith("/0") and right.endswith("/1") and page.see(frame) == where
        assert page.see("by('which').textContent") == "The right image"
        answer(page, "ArrowRight")
        assert not page.see("by('large').open") and "right" in page.see("by('said').textContent")
        page.press("z")
        page.press("Escape")
        page.until("!by('large').open")
        assert page.errors == []


def test_four_at_once_are_answered_by_number(pics: Path, page: Browser):
    with Labelling(pics, "pics", "--four") as work:
        page.open(work.url)
        assert page.see("document.querySelectorAll('main img').length") == 4
        page.press("ArrowLeft")
        answer(page, "3")
        assert len(on_disk(pics)) == 3 and page.see("state.questions") == 1
        answer(page, "ArrowUp")
        assert page.see("state.questions") == 0


def test_the_keyboard_reaches_everything_and_space_presses_what_has_the_focus(pics: Path, page: Browser):
    with Labelling(pics, "pics") as work:
        page.open(work.url)
        seen = []
        for _ in range(6):
            page.press("Tab")
            seen.append(page.see("document.activeElement.ariaLabel || document.activeElement.id"))
        assert seen[:4] == ["Choose the left image", "Choose the right image", "tie", "skip"]
        page.see("document.querySelectorAll('main button')[1].focus()")
        answer(page, " ")
        assert side_of_line(on_disk(pics)[0]) == "ArrowRight"
        assert page.see("document.activeElement.ariaLabel") == "Choose the right image", "the focus stays"
        page.see("document.querySelector('#tie').click()")
        page.until("state.questions === 2 && since !== null")
        assert on_disk(pics)[1]["choice"] == "tie"


def side_of_line(line: dict) -> str:
    return ("ArrowLeft", "ArrowRight")[line["place_a" if line["choice"] == "a" else "place_b"]]


def test_the_page_fits_a_telephone_a_zoomed_page_and_a_wide_one_by_day_and_by_night(
    pics: Path, page: Browser
):
    with Labelling(pics, "pics") as work:
        page.open(work.url)
        for width, height in [(360, 640), (640, 400), (1280, 800), (1920, 1080)]:
            page.look(width, height, dark=width == 360)
            answer(page, "ArrowDown")
            assert page.see("document.documentElement.scrollWidth") <= width
            assert min(page.see("[...document.querySelectorAll('main img')].map((i) => i.width)")) > 60
            boxes = "[...document.querySelectorAll('button:not(dialog *)')].map((b) => b.offsetHeight)"
            assert min(page.see(boxes)) >= 40, "a finger can press it"
            dark = page.see("getComputedStyle(document.body).backgroundColor") != "rgb(255, 255, 255)"
            assert dark == (width == 360)
        assert page.errors == []


@pytest.mark.skipif(AXE is None, reason="axe-core-python is not installed")
def test_axe_finds_nothing_serious_whatever_the_page_shows(pics: Path, page: Browser):
    with Labelling(pics, "pics") as work:
        for width, dark in ((1200, False), (390, True)):
            page.look(width, 800, dark)
            page.open(work.url)
            assert serious(page) == []
            answer(page, "ArrowDown")
            page.press("z")
            page.until("by('large').open")
            assert serious(page) == []
            page.press("Escape")
    page.press("ArrowLeft")
    page.until("!by('notice').hidden")
    assert serious(page) == [], "also where it says that something went wrong"


def test_touching_an_image_chooses_it_on_a_telephone(pics: Path, page: Browser):
    with Labelling(pics, "pics") as work:
        page.look(390, 800)
        page.send("Emulation.setTouchEmulationEnabled", enabled=True)
        try:
            page.open(work.url)
            place = "(({x, y, width, height}) => ({x: x + width / 2, y: y + height / 2}))"
            at = page.see(f"{place}(document.querySelectorAll('main button')[1].getBoundingClientRect())")
            page.send("Input.dispatchTouchEvent", type="touchStart", touchPoints=[at])
            page.send("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])
            page.until("state.questions === 1 && since !== null")
            assert side_of_line(on_disk(pics)[0]) == "ArrowRight" and page.errors == []
        finally:
            page.send("Emulation.setTouchEmulationEnabled", enabled=False)


def test_the_page_says_when_to_stop(tmp_path: Path, page: Browser):
    for i in range(2):
        save_image(tmp_path / "pics" / f"{i}.png", i, (240, 180 + 90 * i))
    with Labelling(tmp_path, "pics") as work:
        page.open(work.url)
        for _ in range(9):
            if not page.see("by('notice').hidden"):
                break
            left, right = page.see("[...document.querySelectorAll('main img')].map((i) => i.naturalHeight)")
            answer(page, "ArrowLeft" if left > right else "ArrowRight")
        assert "you can stop here" in page.see("by('notice').textContent")
        assert page.see("by('progress').textContent").endswith("1 of 1 prompt settled")
