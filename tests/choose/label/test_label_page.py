"""The page in a real browser, by keyboard: nothing that was answered is lost, whatever is killed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from accessibility import AXE, serious
from browsers import Browser, Chromium
from labelling import Labelling
from PIL import Image
from score_runs import save_image

from rankkit.choose.label.answers import AnswerFile, standing

ATTACK = "<img src=x onerror='window.pwned = 1'><script>window.pwned = 1</script>" + "W" * 300


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


def answer(browser: Browser, key: str) -> None:
    """Press a key and wait for the next question."""
    before = browser.see("state.question.id")
    browser.press(key)
    browser.until(f"since !== null && state.question.id !== '{before}'")


def test_forty_answers_by_keyboard_with_undo_ties_a_reload_and_a_kill_lose_nothing(
    pics: Path, browser: Browser
):
    keys = ["ArrowLeft", "ArrowRight", "ArrowDown", "ArrowRight", " "] * 4
    words = {"ArrowDown": "tie", " ": "skip"}
    expected: list[str] = []
    first = Labelling(pics, "pics")
    with first:
        browser.open(first.url)
        for key in keys:
            sides = browser.see("[...document.querySelectorAll('main img')].length")
            assert sides == 2
            answer(browser, key)
            expected.append(words.get(key, key))
            assert len(on_disk(pics)) == len(expected), "on the disk before the next question"
        answer(browser, "ArrowUp")
        browser.press("z", control=True)
        browser.until("since !== null && state.questions === 18")
        expected = expected[:-2]
        waits = browser.see("state.question.id")
        browser.open(first.url)
        assert browser.see("state.question.id") == waits, "a reload shows the question that waits"
        assert browser.see("document.querySelector('h1').textContent === state.question.prompt")
        assert browser.see("window.pwned") is None and browser.errors == []
        first.kill()
        browser.press("ArrowLeft")
        browser.until("by('notice').textContent.includes('does not answer')")
    with Labelling(pics, "pics") as again:
        browser.open(again.url)
        assert browser.see("state.questions") == 18
        for key in ["ArrowRight", "ArrowLeft"] * 11:
            answer(browser, key)
            expected.append(key)
        assert browser.see("state.questions") == 40
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


def test_a_page_that_is_closed_in_the_middle_of_an_answer_loses_nothing(pics: Path, browser: Browser):
    with Labelling(pics, "pics") as work:
        browser.open(work.url)
        for _ in range(5):
            before = len(on_disk(pics))
            asked = browser.see("state.question.id")
            browser.press("ArrowLeft")
            browser.navigate("about:blank")  # before what was answered can come back
            browser.open(work.url)
            given = on_disk(pics)[before:]
            assert [line["question"] for line in given] in ([], [asked]), (
                "saved whole and once, or not at all"
            )
            assert (browser.see("state.question.id") == asked) is (given == []), (
                "and asked again if it was not"
            )
        assert browser.errors == []


def test_zoom_shows_the_other_image_in_the_same_place_and_answers_go_on_from_there(
    pics: Path, browser: Browser
):
    with Labelling(pics, "pics") as work:
        browser.open(work.url)
        frame = "JSON.stringify(document.querySelector('#large img').getBoundingClientRect())"
        browser.press("z")
        left, where = browser.see("by('large').querySelector('img').src"), browser.see(frame)
        browser.press("z")
        right = browser.see("by('large').querySelector('img').src")
        assert left.endswith("/0") and right.endswith("/1") and browser.see(frame) == where
        assert browser.see("by('which').textContent") == "The right image"
        answer(browser, "ArrowRight")
        assert not browser.see("by('large').open") and "right" in browser.see("by('said').textContent")
        browser.press("z")
        browser.press("Escape")
        browser.until("!by('large').open")
        assert browser.errors == []


def test_four_at_once_are_answered_by_number(pics: Path, browser: Browser):
    with Labelling(pics, "pics", "--four") as work:
        browser.open(work.url)
        assert browser.see("document.querySelectorAll('main img').length") == 4
        browser.press("ArrowLeft")
        answer(browser, "3")
        assert len(on_disk(pics)) == 3 and browser.see("state.questions") == 1
        answer(browser, "ArrowUp")
        assert browser.see("state.questions") == 0


def test_the_keyboard_reaches_everything_and_space_presses_what_has_the_focus(pics: Path, browser: Browser):
    with Labelling(pics, "pics") as work:
        browser.open(work.url)
        seen = []
        for _ in range(5):  # a sixth would leave the page for the bars of some browsers
            browser.press("Tab")
            seen.append(browser.see("document.activeElement.ariaLabel || document.activeElement.id"))
        assert seen == ["Choose the left image", "Choose the right image", "tie", "skip", "zoom"]
        browser.see("document.querySelectorAll('main button')[1].focus()")
        answer(browser, " ")
        assert side_of_line(on_disk(pics)[0]) == "ArrowRight"
        assert browser.see("document.activeElement.ariaLabel") == "Choose the right image", "the focus stays"
        browser.see("document.querySelector('#tie').click()")
        browser.until("state.questions === 2 && since !== null")
        assert on_disk(pics)[1]["choice"] == "tie"


def side_of_line(line: dict) -> str:
    if line["choice"] in ("tie", "skip"):
        return str(line["choice"])
    return ("ArrowLeft", "ArrowRight")[line["place_a" if line["choice"] == "a" else "place_b"]]


def test_the_page_fits_a_telephone_a_zoomed_page_and_a_wide_one_by_day_and_by_night(
    pics: Path, browser: Browser
):
    with Labelling(pics, "pics") as work:
        browser.open(work.url)
        for width, height in [(360, 640), (640, 400), (1280, 800), (1920, 1080)]:
            browser.look(width, height, dark=width == 360)
            answer(browser, "ArrowDown")
            assert browser.see("document.documentElement.scrollWidth") <= width
            assert min(browser.see("[...document.querySelectorAll('main img')].map((i) => i.width)")) > 60
            boxes = "[...document.querySelectorAll('button:not(dialog *)')].map((b) => b.offsetHeight)"
            assert min(browser.see(boxes)) >= 40, "a finger can press it"
            dark = browser.see("getComputedStyle(document.body).backgroundColor") != "rgb(255, 255, 255)"
            assert dark == (width == 360)
        assert browser.errors == []


@pytest.mark.skipif(AXE is None, reason="axe-core-python is not installed")
def test_axe_finds_nothing_serious_whatever_the_page_shows(pics: Path, browser: Browser):
    with Labelling(pics, "pics") as work:
        for width, dark in ((1200, False), (390, True)):
            browser.look(width, 800, dark)
            browser.open(work.url)
            assert serious(browser) == []
            answer(browser, "ArrowDown")
            browser.press("z")
            browser.until("by('large').open")
            assert serious(browser) == []
            browser.press("Escape")
    browser.press("ArrowLeft")
    browser.until("!by('notice').hidden")
    assert serious(browser) == [], "also where it says that something went wrong"


def test_after_an_answer_by_mouse_the_keys_mean_what_they_say(pics: Path, browser: Browser):
    with Labelling(pics, "pics") as work:
        browser.open(work.url)
        for count, (pressed, wanted) in enumerate([("main button", "ArrowLeft"), ("#tie", "tie")], start=1):
            browser.click_on(f"document.querySelector('{pressed}')")
            browser.until(f"state.questions === {2 * count - 1} && since !== null")
            assert side_of_line(on_disk(pics)[-1]) == wanted
            answer(browser, " ")
            assert on_disk(pics)[-1]["choice"] == "skip"
        browser.click_on("by('zoom')")
        browser.click_on("document.querySelector('#large img')")
        browser.until("by('which').textContent === 'The right image'")
        browser.click_on("by('close')")
        browser.until("!by('large').open")
        assert browser.errors == []


def test_touching_an_image_chooses_it_on_a_telephone(pics: Path, chromium: Chromium):
    with Labelling(pics, "pics") as work:
        chromium.look(390, 800)
        chromium.send("Emulation.setTouchEmulationEnabled", enabled=True)
        try:
            chromium.open(work.url)
            place = "(({x, y, width, height}) => ({x: x + width / 2, y: y + height / 2}))"
            at = chromium.see(f"{place}(document.querySelectorAll('main button')[1].getBoundingClientRect())")
            chromium.send("Input.dispatchTouchEvent", type="touchStart", touchPoints=[at])
            chromium.send("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])
            chromium.until("state.questions === 1 && since !== null")
            assert side_of_line(on_disk(pics)[0]) == "ArrowRight" and chromium.errors == []
        finally:
            chromium.send("Emulation.setTouchEmulationEnabled", enabled=False)


def test_the_page_says_when_to_stop(tmp_path: Path, browser: Browser):
    for i in range(2):
        save_image(tmp_path / "pics" / f"{i}.png", i, (240, 180 + 90 * i))
    with Labelling(tmp_path, "pics") as work:
        browser.open(work.url)
        for _ in range(9):
            if not browser.see("by('notice').hidden"):
                break
            left, right = browser.see(
                "[...document.querySelectorAll('main img')].map((i) => i.naturalHeight)"
            )
            answer(browser, "ArrowLeft" if left > right else "ArrowRight")
        assert "you can stop here" in browser.see("by('notice').textContent")
        assert browser.see("by('progress').textContent").endswith("1 of 1 prompt settled")


def test_the_bar_shows_how_settled_the_prompt_is_and_is_faint_where_it_is_empty(pics: Path, browser: Browser):
    with Labelling(pics, "pics") as work:
        for dark in (False, True):
            browser.look(400, 800, dark)
            browser.open(work.url)
            empty = bar(browser, pics / "bar.png")
            assert set(empty) == {empty[-1]} and (empty[-1] < 128) == dark, (
                "nearer to the page than to its text"
            )
        browser.see("by('bar').value = 0.4")
        shown = bar(browser, pics / "bar.png")
        assert abs(sum(each != shown[-1] for each in shown) / len(shown) - 0.4) < 0.02


def bar(browser: Browser, path: Path) -> list[int]:
    """How bright the bar is drawn, from left to right and without its ends."""
    place = "(({left, right, top, bottom}) => [left, right, (top + bottom) / 2])"
    left, right, y = browser.see(f"{place}(by('bar').getBoundingClientRect())")
    browser.shot(path)
    with Image.open(path) as image:
        grey = image.convert("L")
        return [grey.getpixel((x, round(y))) for x in range(round(left) + 4, round(right) - 4)]
