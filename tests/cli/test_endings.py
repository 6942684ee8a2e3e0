"""How a program ends: one line for every error, and what to do about it."""

import os
import subprocess
import sys

import pytest
from score_runs import ENVIRONMENT, folder
from typer.main import get_command
from typer.testing import CliRunner

import drpo.cli
from rankkit.cli.app import app

PROGRAMS = {"rankkit": app, "drpo": drpo.cli.app}


def run(*command, **options):
    return subprocess.run([sys.executable, *command], capture_output=True, text=True, timeout=120, **options)


@pytest.mark.parametrize("flag", ["-h", "--help"])
@pytest.mark.parametrize("program", PROGRAMS)
def test_every_command_shows_its_help_in_80_columns(program, flag):
    runner = CliRunner(env={"COLUMNS": "80"})
    for name in get_command(PROGRAMS[program]).commands:
        result = runner.invoke(PROGRAMS[program], [name, flag])
        assert result.exit_code == 0 and "Usage: " in result.stdout
        assert max(map(len, result.stdout.splitlines())) <= 80


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_program_without_arguments_shows_its_help(program):
    done = run("-m", program, env=ENVIRONMENT)
    assert "Usage: " in done.stdout and "--help" in done.stdout


def test_the_command_that_is_asked_for_is_made_alone_and_all_of_them_for_a_typo():
    code = (
        "import sys, typer.main\nfrom rankkit.cli.app import program\nmake = typer.main.get_command\n"
        "def made(app):\n    print(len(app.registered_commands), file=sys.stderr)\n    return make(app)\n"
        "typer.main.get_command = made\nprogram.main()"
    )
    assert run("-c", code, "list", env=ENVIRONMENT).stderr == "1\n"
    done = run("-c", code, "scor", env=ENVIRONMENT)
    assert done.stderr.startswith("15\n") and "Did you mean 'score'" in done.stderr


def test_a_command_that_needs_torch_says_what_to_install(tmp_path):
    code = "import sys; sys.modules['torch'] = None; from drpo.cli import main; main()"
    done = run("-c", code, "train", "shapes", cwd=tmp_path, env=ENVIRONMENT)
    (line,) = done.stderr.splitlines()
    assert done.returncode == 1 and not done.stdout
    assert "torch is not installed" in line and "pip install 'rankkit-t2i[drpo]'" in line


def test_an_unexpected_error_is_one_line_and_its_traceback_is_shown_when_asked_for():
    program = (
        "from rankkit.plugin import Program\napp = Program('one', '')\n"
        "@app.command()\ndef first(): [][1]\n"
        "@app.command()\ndef second(): pass\n"
        "app.main()"
    )
    quiet = run("-c", program, "first", env=ENVIRONMENT)
    loud = run("-c", program, "first", env={**ENVIRONMENT, "RANKKIT_DEBUG": "1"})
    (line,) = quiet.stderr.splitlines()
    assert quiet.returncode == loud.returncode == 1
    assert "IndexError" in line and "<string>:4" in line and "RANKKIT_DEBUG=1" in line
    assert "Traceback" in loud.stderr


def test_a_library_that_ends_the_program_is_named_by_its_line():
    program = (
        "import sys\nfrom rankkit.plugin import Program\napp = Program('one', '')\n"
        "@app.command()\ndef first(): sys.exit(0)\n"
        "@app.command()\ndef second(): pass\n"
        "app.main()"
    )
    done = run("-c", program, "first", env=ENVIRONMENT)
    assert done.returncode == 1 and "<string>:5" in done.stderr and "SystemExit: 0" in done.stderr


def test_a_reader_that_has_gone_is_no_error(tmp_path):
    folder(tmp_path / "images", prompt="a cat")
    command = f"{sys.executable} -m rankkit score images -r sharpness | true; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(
        ["bash", "-c", command], cwd=tmp_path, capture_output=True, text=True, env=ENVIRONMENT
    )
    assert done.stdout == "0\n" and "rror" not in done.stderr


def test_importing_a_program_brings_nothing_heavy():
    code = "import sys, {}; print({{'torch', 'typer', 'numpy', 'rich'}} & set(sys.modules))"
    for module, allowed in (("rankkit.plugin", "{'numpy'}"), ("rankkit.cli.app", "{'typer'}")):
        assert run("-c", code.format(module), env=dict(os.environ)).stdout.strip() == allowed, module


def test_ctrl_c_while_the_commands_are_imported_is_one_line():
    code = (
        "import sys, rankkit.cli\n"
        "class Interrupted:\n"
        "    def find_spec(self, name, *rest):\n"
        "        if name == 'rankkit.cli.app': raise KeyboardInterrupt\n"
        "sys.meta_path.insert(0, Interrupted())\n"
        "rankkit.cli.main()"
    )
    done = run("-c", code, "list", env=ENVIRONMENT)
    assert (done.returncode, done.stdout) == (130, "")
    assert done.stderr == "stopped; give the same command again to go on\n"


@pytest.mark.parametrize(
    ("command", "module"),
    [
        *(("rankkit", name) for name in ("rankkit.core.build", "PIL.Image", "typer", "rankkit.cli.app")),
        *(("drpo", name) for name in ("PIL.Image", "typer", "drpo.settings")),
    ],
)
@pytest.mark.parametrize("as_module", [True, False])
def test_ctrl_c_at_any_import_of_a_command_ends_it_quietly_with_130(tmp_path, command, module, as_module):
    (tmp_path / "sitecustomize.py").write_text(
        "import os, signal, sys\n"
        "class Interrupting:\n"
        "    def find_spec(self, name, *rest):\n"
        f"        if name == {module!r}: os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.meta_path.insert(0, Interrupting())\n"
    )
    (tmp_path / command).write_text(f"from {command}.cli import main\nmain()\n")
    path = os.pathsep.join([str(tmp_path), *filter(None, sys.path)])
    started = ["-m", command] if as_module else [str(tmp_path / command)]
    done = run(*started, "--help", env={**ENVIRONMENT, "PYTHONPATH": path})
    assert (done.returncode, done.stdout) == (130, "") and "Traceback" not in done.stderr


def test_importing_rankkit_leaves_ctrl_c_to_the_program_that_imports_it():
    code = "import signal, rankkit; print(signal.getsignal(signal.SIGINT) is signal.default_int_handler)"
    assert run("-c", code, env=ENVIRONMENT).stdout == "True\n"


@pytest.mark.parametrize("given", [["", "-o", "rows.jsonl"], ["in", "-o", ""]])
def test_an_empty_path_is_refused(tmp_path, given):
    folder(tmp_path / "in")
    done = run("-m", "rankkit", "score", *given, "-r", "sharpness", env=ENVIRONMENT, cwd=tmp_path)
    assert done.returncode == 2 and "empty (a variable that is not set?)" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


def test_a_folder_of_rows_without_ray_is_refused_with_what_it_needs(tmp_path):
    folder(tmp_path / "in")
    done = run("-m", "rankkit", "score", "in", "-r", "sharpness", "-o", "out/", env=ENVIRONMENT, cwd=tmp_path)
    (line,) = done.stderr.splitlines()
    assert done.returncode == 2 and "-o out/: rows go to .jsonl" in line and "--engine ray" in line
