"""The image that a table means by a name: as it stands there, or as another system writes it."""

from __future__ import annotations

import hashlib
import os
import re
import unicodedata
from collections.abc import Iterable, Sequence
from functools import cached_property
from urllib.parse import unquote

from rankkit.io.prompts.base import Place, Root
from rankkit.io.prompts.reading.order import as_count

ABSOLUTE = re.compile(r"/|[A-Za-z]:/")  # of any system, with forward slashes
LOOKED_AT = 1000  # names that decide which folder the paths of a table start from


class Names:
    """Names of images in a table, sought in folders, the likeliest first.

    A name is a path from one of `bases`; it is found as it stands, with backslashes, in another Unicode
    normal form, percent-encoded, in other case, without its suffix, or, where the table names no folders,
    without its folder. Absolute paths of another machine are paths from the folder that all of them share.
    What is found otherwise than as it stands is the only image of the root that is called so. With `named`
    the user gave the table, which then may name images anywhere by absolute paths.
    """

    def __init__(self, root: Root, table: str, bases: Iterable[str], *, named: bool) -> None:
        self.root, self.table, self.named = root, table, named
        self.bases = list(dict.fromkeys(os.path.normpath(base) for base in bases))
        self.flat, self._shared = True, ""
        self._numbers: set[int] | None = set()  # where all names are numbers alone
        self._base = os.path.normpath(root.path)
        self._files = frozenset(map(os.path.normpath, root.files))

    def prefer(self, names: Iterable[str]) -> None:
        """Put that base first in which most of the names are images of the root; ties keep their order."""
        some, shared = list[str](), ""
        for number, name in enumerate(names):
            some += [name] if number < LOOKED_AT else []
            path = name.replace("\\", "/")
            self._count(name)
            self.flat = self.flat and "/" not in path
            shared = shared if number else path[: path.rfind("/") + 1]
            while not path.startswith(shared):
                shared = shared[: shared.rfind("/", 0, -1) + 1]
        self._shared = shared if ABSOLUTE.match(shared) else ""
        hits = {
            base: sum(_exists(path) and self._asked_for(path) for name in some for path in _paths(base, name))
            for base in self.bases
        }
        self.bases.sort(key=lambda base: -hits[base])

    def _count(self, name: str) -> None:
        if self._numbers is not None and (number := as_count(name)) is not None:
            self._numbers.add(number)
        else:
            self._numbers = None

    def why_shifted(self) -> str:
        """Why names that are numbers alone are not those of the images: one side counts from 0, the other
        from 1; empty where that is not so.
        """
        if not self._numbers or min(self._numbers) > 1:
            return ""
        stems = [_stem(os.path.basename(place.relative)) for place in self.root.walk()]
        here = {number for number in map(as_count, stems) if number is not None}
        first, own = min(self._numbers), min(here, default=-1)
        if (
            len(here) != len(stems)
            or {number - first + own for number in self._numbers} != here
            or first == own
        ):
            return ""
        return f"the images are counted from {own}, and {self.table} from {first}"

    def find(self, name: str) -> Place | None:
        """The place of the image, with an error where it may not be read; None where nobody asked for it."""
        if "://" in name or name.startswith("data:"):
            return _elsewhere(name)
        if not _possible(name):
            return Place(name, "cannot be the name of a file")
        if self._shared and (moved := self._moved(name)):
            return moved
        if os.path.isabs(name):
            path = os.path.normpath(name)
            return self._place(path) if self.named or _below(self._base, path) else self._outside(name)
        first = None  # where it would be
        for base in self.bases:
            for path in _paths(base, name):
                if _below(base, path) or _below(self._base, path):
                    first = first or path
                    if self._asked_for(path) and _exists(path):
                        return self._place(path)
        if first is None:
            return self._outside(name)
        elsewhere = next(filter(_exists, _paths(self.bases[0], name)), None)
        return self._place(elsewhere) if elsewhere else self._similar(name) or self._place(first)

    def _moved(self, name: str) -> Place | None:
        """The image that an absolute path of another machine means here, if there is one."""
        path = name.replace("\\", "/")
        if _exists(name) or not path.startswith(self._shared) or os.pardir in path.split("/"):
            return None
        above, rest = self._shared[:-1].split("/"), path[len(self._shared) :]
        found = dict[str, str]()
        for kept in range(4):  # folders of the shared path that are here too, the last ones
            relative = "/".join([*above[max(len(above) - kept, 0) :], rest]).lstrip("/")
            below = (each for base in self.bases for each in _paths(base, relative) if _below(base, each))
            here = next((each for each in below if self._asked_for(each) and _exists(each)), None)
            found |= {os.path.abspath(here): here} if here else {}
        if len(found) > 1:
            return Place(name, f"is a path of another machine, and may be {' or '.join(found.values())} here")
        return self._place(*found.values()) if found else None

    def _outside(self, name: str) -> Place:
        return Place(name, f"the manifest {self.table} names a file outside its folder: {name}")

    def find_any(self, names: Sequence[str]) -> bool:
        """Whether one of the names is that of an image which is here."""
        self.prefer(names)
        places = (self.find(name) for name in names)
        return any(place and not place.error and _exists(self.root.locate(place)) for place in places)

    def _place(self, path: str) -> Place | None:
        if not self._asked_for(path):
            return None
        if self.root.files:
            return Place(path)
        if _below(self._base, path):
            return Place(_from(self._base, path))
        return Place(path.replace(os.sep, "/"), path=path)

    def _asked_for(self, path: str) -> bool:
        """A manifest may tell of more images than the files or the folder that are to be scored."""
        if self.root.files:
            return path in self._files
        return self.root.manifest_only or _below(self._base, path)

    def _similar(self, name: str) -> Place | None:
        wanted = _key(os.path.normpath(name.replace("\\", "/")))
        for kind in ("path", "stem", *(("last", "last stem") if self.flat else ())):
            if (kind, wanted) in self._index:
                return self._index[kind, wanted]
        return None

    @cached_property
    def _index(self) -> dict[tuple[str, str], Place | None]:
        """The images below the base by what they may be called: by path, without suffix, without folder. None
        where several are called so.
        """
        index: dict[tuple[str, str], Place | None] = {}
        base = self.bases[0] if _below(self._base, self.bases[0]) else self._base
        for place in self.root.walk():
            path = place.relative
            if place.error or (base, self.root.files) != (self._base, ()):
                path = os.path.normpath(self.root.locate(place))
                if place.error or not _below(base, path):
                    continue
                path = _from(base, path)
            key = _key(path)
            stem, last = _stem(key), key.rpartition("/")[2]
            for called in (("path", key), ("stem", stem), ("last", last), ("last stem", _stem(last))):
                index[called] = None if called in index else place
        return index


def _possible(name: str) -> bool:
    try:
        return b"\0" not in os.fsencode(name)
    except UnicodeEncodeError:
        return False


def _elsewhere(name: str) -> Place:
    """An address, or an image that is written into the table as text."""
    if "://" in name:
        return Place(name, "is a web address, and nothing is downloaded; save the image beside the table")
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return Place(f"{name[:40]}…{digest}", "is an image written as text; save it as a file beside the table")


def _stem(path: str) -> str:
    return os.path.splitext(path)[0]


def _key(path: str) -> str:
    return path.lower() if path.isascii() else unicodedata.normalize("NFC", path).casefold()


def _paths(base: str, name: str) -> list[str]:
    """Where a name may lie below a base, as it is spelt and as other systems spell it."""
    if name.isascii() and name == name.strip() and "\\" not in name and "%" not in name:
        return [os.path.normpath(f"{base.rstrip(os.sep)}/{name}")]
    spellings = [name, name.replace("\\", "/"), name.strip(), *([unquote(name)] if "%" in name else [])]
    spellings += [unicodedata.normalize(form, name) for form in ("NFC", "NFD")]
    return [os.path.normpath(os.path.join(base, spelt)) for spelt in dict.fromkeys(spellings)]


def _exists(path: str) -> bool:
    try:
        return os.path.lexists(path)
    except ValueError:  # a zero byte, or a surrogate
        return False


def _from(base: str, path: str) -> str:
    if path.startswith(base + os.sep):
        path = path[len(base) + 1 :]
    elif os.path.isabs(path) != os.path.isabs(base):
        path = os.path.relpath(path, base)
    return path.replace(os.sep, "/")


def _below(folder: str, path: str) -> bool:
    """Whether a path lies below a folder, or is it; both are normal."""
    if path.startswith(folder) and path[len(folder) : len(folder) + 1] == os.sep:
        return True
    if os.path.isabs(folder) != os.path.isabs(path):
        folder, path = os.path.abspath(folder), os.path.abspath(path)
    if folder == os.curdir:
        return not path.startswith(os.pardir + os.sep)
    return path == folder or path.startswith(os.path.join(folder, ""))
