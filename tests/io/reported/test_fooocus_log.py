"""Fooocus's log beside its images: what it says of each by its name, however odd the prompts are."""

import json
from urllib.parse import quote

import pytest
from prompt_files import look, prompts, put

pytestmark = pytest.mark.usefixtures("here")

HEAD = "<!DOCTYPE html><html><head><title>Fooocus Log 2024-05-01</title></head><body>"
SPLIT = "<!--fooocus-log-split-->\n\n"


def entry(name, prompt, *, button=True):
    """One image as the program logs it: nothing in the table is escaped."""
    settings = {
        "prompt": prompt,
        "negative_prompt": "blurry",
        "styles": "['Fooocus V2']",
        "performance": "Speed",
    }
    rows = "".join(
        f"<tr><td class='label'>{key}</td><td class='value'>{value}</td></tr>\n"
        for key, value in settings.items()
    )
    copied = quote(json.dumps(settings, indent=0), safe="")
    more = f"</br><button onclick=\"to_clipboard('{copied}')\">Copy to Clipboard</button>" if button else ""
    return (
        f'<div id="{name.replace(".", "_")}" class="image-container"><hr><table><tr>\n<td><a href="{name}" '
        f"target=\"_blank\"><img src='{name}' onerror=\"hide()\" loading='lazy'/></a><div>{name}</div></td>"
        f"<td><table class='metadata'>{rows}</table>{more}</td></tr></table></div>\n\n"
    )


def log(*entries):
    return HEAD + SPLIT + "".join(entries) + SPLIT + "</body></html>"


def test_each_image_has_the_prompt_of_its_entry():
    put({"d/a.png": None, "d/b.jpg": None, "d/c.png": None, "e/a.png": None})
    put(
        {
            "d/log.html": log(
                entry("b.jpg", "a dog\n(soft:1.2)"), entry("a.png", "a fox"), entry("gone.png", "x")
            )
        }
    )
    assert prompts() == {"a.png": "a fox", "b.jpg": "a dog soft", "c.png": ""} and look().notes == ()
    assert prompts("e") == {"e/a.png": ""}


@pytest.mark.parametrize(
    "odd",
    [
        "<!-- red",
        "<script>",
        "</table></div>",
        "a 'red' \"fox\" & 50% <lora:x:1>",
        "<img src='b.png'>",
        "%27)",
    ],
)
def test_marks_in_a_prompt_move_no_prompt_to_another_image(odd):
    put({"d/a.png": None, "d/b.png": None, "d/log.html": log(entry("a.png", odd), entry("b.png", "a dog"))})
    found = {item.name: item.written or item.prompt for item in look().items()}
    assert found == {"d/a.png": odd, "d/b.png": "a dog"}


def test_what_is_named_twice_or_by_another_name_has_no_prompt():
    put(
        {
            "d/a.png": None,
            "d/b.png": None,
            "d/log.html": log(*(entry("a.png", text) for text in ("one", "two"))),
        }
    )
    assert set(prompts().values()) == {""}
    put({"d/log.html": log(entry("a.png", "one").replace('href="a.png"', 'href="b.png"'))})
    assert set(prompts().values()) == {""}


def test_a_log_of_an_earlier_version_is_named_and_a_page_of_another_program_is_not():
    put({"d/a.png": None, "d/log.html": log(entry("a.png", "a fox", button=False))})
    assert prompts() == {"a.png": ""} and "d/log.html is not read" in look().notes[0]
    put({"d/log.html": "<html><body>x</body></html>"})
    assert prompts() == {"a.png": ""} and look().notes == ()


def test_every_cut_of_a_log_gives_a_prompt_of_its_image_or_none():
    whole = log(entry("a.png", "a fox"), entry("b.png", "a dog"))
    put({"d/a.png": None, "d/b.png": None})
    for end in range(0, len(whole), 37):
        put({"d/log.html": whole[:end]})
        found = prompts()
        assert found["a.png"] in ("", "a fox") and found["b.png"] in ("", "a dog")
