"""Names of rankers that run elsewhere: rankkit.toml, rankers.d, and addresses.

Nothing is started by reading them.

    [rankers.hpsv3-official]
    command = ["/path/to/environment/bin/python", "-m", "rankkit.serving.pipe", "hpsv3-official"]

    [rankers.clip-gpu7]
    url = "http://gpu7:8085"
    token_env = "GPU7_TOKEN"        # or token = "…"; without either, the variable RANKKIT_TOKEN

The file is $RANKKIT_CONFIG, else rankkit/rankkit.toml in $XDG_CONFIG_HOME, else
~/.config/rankkit/rankkit.toml. Only the user writes it: `rankkit install NAME` writes a file of its own,
rankers.d/NAME.toml beside it, with one entry of the same form.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rankkit.errors import BadOption, UsageError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from rankkit.remote.rankers import Http, Pipe

WORKER, EARLIER_WORKER = "rankkit.serving.pipe", "rankkit.serve"  # modules that are a worker

KEYS: dict[str, type | tuple[type, ...]] = {
    "command": list,
    "url": str,
    "token": str,
    "token_env": str,
    "timeout": (int, float),
}


@dataclass(frozen=True, slots=True)
class ConfiguredRanker:
    """Where a ranker runs: a command that starts its worker, or the address of its server."""

    name: str
    command: tuple[str, ...] = ()
    url: str = ""
    token: str | None = None
    token_env: str | None = None
    timeout: float = 3600  # seconds one answer may take
    file: Path | None = field(default=None, compare=False)  # that says so


def path() -> Path:
    """Where the user's rankkit.toml is, or would be."""
    given = os.environ.get("RANKKIT_CONFIG")
    home = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
    return Path(os.path.expanduser(given or Path(home, "rankkit", "rankkit.toml")))


def owned_file(name: str) -> Path:
    """The file that rankkit itself writes for an installed ranker:

    ``rankers.d/NAME.toml`` beside rankkit.toml.
    """
    return path().parent / "rankers.d" / f"{name}.toml"


def places() -> dict[str, ConfiguredRanker]:
    """Every entry of rankers.d and of rankkit.toml by name.

    Of two with one name, that of rankkit.toml, the user's own, counts.

    Raises `UsageError`, which names the file, for one that cannot be read or understood, and for two files of
    rankers.d that name one ranker.
    """
    owned: dict[str, ConfiguredRanker] = {}
    for file in owned_files():
        for name, place in places_in(file).items():
            if name in owned:
                raise UsageError(f"{owned[name].file} and {file} both name {name}; remove one of them")
            owned[name] = place
    return owned | places_in(path())


def places_in(file: Path) -> dict[str, ConfiguredRanker]:
    """The entries of one such file by name; none of a file that is not there. Raises `UsageError`."""
    return {name: _place(name, entry, file) for name, entry in _table(_read(file), file).items()}


def owned_files() -> list[Path]:
    """The files of rankers.d, sorted."""
    try:
        return sorted(owned_file("x").parent.glob("*.toml"))
    except OSError:  # a folder that is not ours
        return []


def find(name: str) -> ConfiguredRanker | None:
    """Where the ranker of this name runs, if that is elsewhere.

    An address itself, or a name in rankkit.toml.
    """
    return (
        ConfiguredRanker(name, url=name) if name.startswith(("http://", "https://")) else places().get(name)
    )


def connect(place: ConfiguredRanker, options: Mapping[str, Any]) -> Pipe | Http:
    """The ranker at a place, as far as its handshake: a worker is started, or a server is asked.

    Options are passed on to a worker.

    A server has been given its options; others than those are refused. Raises what `Pipe` and `Http` raise.
    """
    from rankkit.remote.rankers import Http, Pipe

    if place.command:
        _say_how_to_renew(place)
        words = [f"{key}={_text(place.name, key, value)}" for key, value in options.items()]
        return Pipe([*place.command, *words], name=place.name, timeout=place.timeout)
    ranker = Http(
        place.url,
        token=_token(place),
        timeout=place.timeout,
        name=None if place.name == place.url else place.name,
    )
    for key, value in options.items():
        if key not in ranker.options or str(ranker.options[key]) != str(value):
            ranker.close()
            raise BadOption(
                f"{place.name} is served with {_shown(ranker.options)}; {key}={value} is decided there: "
                f"rankkit serve NAME:{key}={value}"
            )
    return ranker


def _read(file: Path) -> str:
    try:
        if _hidden(file):
            return ""
        return file.read_text("utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except (OSError, ValueError) as error:
        raise UsageError(f"{file} cannot be read: {getattr(error, 'strerror', None) or error}") from None


def _hidden(file: Path) -> bool:
    """Whether this is the usual place and we may not even look into it.

    A home that is not ours, under sudo or in a container.
    """
    try:
        file.stat()
    except PermissionError:
        return not os.environ.get("RANKKIT_CONFIG")
    return False


def _loaded(text: str, file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except ValueError as error:
        raise UsageError(f"{file} is no TOML: {error}") from None


def _table(text: str, file: Path) -> dict[str, Any]:
    found = _loaded(text, file).get("rankers", {})
    if not isinstance(found, dict):
        raise UsageError(f"{file}: rankers is {type(found).__name__}, not tables such as [rankers.NAME]")
    return found


def _place(name: str, entry: Any, file: Path) -> ConfiguredRanker:
    where = f"{file}: [rankers.{name}]"
    if not isinstance(entry, dict) or ("command" in entry) == ("url" in entry):
        raise UsageError(
            f'{where} needs either command = ["program", "argument"] or url = "http://HOST:PORT"'
        )
    for key, value in entry.items():
        if key not in KEYS:
            raise UsageError(f"{where} has {key!r}; it may have {', '.join(KEYS)}")
        if not isinstance(value, KEYS[key]) or isinstance(value, bool):
            raise UsageError(f"{where}: {key} = {value!r} is {type(value).__name__}, which it cannot be")
    command = entry.get("command")
    if command is not None and not (command and all(isinstance(word, str) for word in command)):
        raise UsageError(f"{where}: a command is a list of words, not {command!r}")
    if not 0 < entry.get("timeout", 1) < float("inf"):
        raise UsageError(f"{where}: timeout = {entry['timeout']} is not a number of seconds above 0")
    return ConfiguredRanker(name, **{**entry, "command": tuple(command or ())}, file=file)


def _say_how_to_renew(place: ConfiguredRanker) -> None:
    """One line where a worker is started by the module's name of earlier versions, which works on."""
    if EARLIER_WORKER in place.command:
        mine = place.file == path()
        warnings.warn(
            f"{place.file}: the command of {place.name} names {EARLIER_WORKER}, which is {WORKER} now; "
            + ("write that there" if mine else f"rankkit install {place.name} --force writes it anew"),
            stacklevel=4,
        )


def _token(place: ConfiguredRanker) -> str | None:
    if place.token_env is not None:
        if not os.environ.get(place.token_env):
            raise UsageError(
                f"{place.name}: its token should be in the environment variable {place.token_env}, which is "
                f"not set"
            )
        return os.environ[place.token_env]
    return place.token or os.environ.get("RANKKIT_TOKEN") or None


def _text(name: str, key: str, value: Any) -> str:
    if value is None or isinstance(value, (str, int, float, Path)):
        return str(value)
    raise BadOption(
        f"{name}: {key} is {type(value).__name__}, which cannot be passed on to a worker; give a number, a "
        f"text or a path"
    )


def _shown(options: Mapping[str, Any]) -> str:
    return ", ".join(f"{key}={value}" for key, value in options.items()) or "no options"
