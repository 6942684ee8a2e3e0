"""A ranker that misbehaves, under every command that ranks.

The exit code, a reason on stderr, and nothing but results on stdout.
"""

import json
import sys

import pytest
from score_runs import folder

from rankkit.cli.app import app

pytestmark = pytest.mark.fault

RANKING, LOADING, OPTION = "ranking", "loading", "option"
FAULTS = {
    "Short": (RANKING, "scores for"),
    "Fewer": (RANKING, "0 rankings for"),
    "Raises": (RANKING, "ValueError: out of ideas"),
    "Exits": (RANKING, "SystemExit: 7"),
    "Nothing": (RANKING, "None, not a list of Ranking"),
    "Numbers": (RANKING, "not a list of Ranking"),
    "Picky": (RANKING, "ValueError: not this group"),
    "Unbuilt": (LOADING, "cannot be built: FileNotFoundError: no weights at nowhere"),
    "Leaves": (LOADING, "cannot be built: it tried to end the program (SystemExit: 7)"),
    "Later": (LOADING, "async"),
    "LaterScore": (LOADING, "async"),
    "later": (LOADING, "async"),
    "Odd": (LOADING, "degree = 'x'"),
    "Reserved": (OPTION, "'metadata'"),
    "reserved": (OPTION, "'prompts'"),
}
COMMANDS = {
    "score": ["pics", "-r"],
    "compare": ["pics", "more", "--json", "-r"],
    "agree": ["pairs.jsonl", "--json", "-r"],
    "check": [],
}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Two folders of images under two prompts, and human choices among them."""
    path = tmp_path_factory.mktemp("bad")
    for side in ("pics", "more"):
        for name in ("cat", "dog"):
            folder(path / side / name, "ab", f"a {name}")
    pairs = [
        {
            "prompt": f"a {name}",
            "image_a": f"pics/{name}/a.png",
            "image_b": f"pics/{name}/b.png",
            "choice": "a",
        }
        for name in ("cat", "dog")
    ]
    (path / "pairs.jsonl").write_text("".join(json.dumps(pair) + "\n" for pair in pairs))
    return path


@pytest.fixture
def invoke(place, monkeypatch, capfd):
    """Run a command of rankkit in this process; returns its exit code, stdout and stderr."""
    monkeypatch.chdir(place)
    monkeypatch.setenv("RANKKIT_CONFIG", str(place / "none.toml"))

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["rankkit", *arguments])
        with pytest.raises(SystemExit) as end:
            app.main()
        return end.value.code, *capfd.readouterr()

    return run


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("ranker", FAULTS)
def test_a_bad_ranker_ends_with_a_code_a_reason_and_results_alone_on_stdout(invoke, ranker, command):
    fault, reason = FAULTS[ranker]
    code, out, err = invoke(command, *COMMANDS[command], f"bad_rankers:{ranker}")
    expected = {RANKING: 1 if command == "check" else 3, LOADING: 1, OPTION: 2}[fault]
    assert code == expected, err
    assert "Traceback" not in out + err and err.strip()
    if fault == RANKING:
        assert reason in (out if command == "check" else err)
    else:
        assert out == "" and err.count("error:") == 1 and reason in err
    if command in ("compare", "agree") and out:
        assert json.loads(out)
    if command == "score":
        assert {json.loads(line)["ranker"] for line in out.splitlines()} <= {f"bad_rankers:{ranker}"}
