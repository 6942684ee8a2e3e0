"""Ratings in XMP sidecars, `a.png.xmp` beside `a.png`, as digiKam, darktable and Immich read them.

The XMP specification puts a rating of -1 or 0 to 5 into `xmp:Rating`. The other custom, `a.xmp`, is one name
for `a.png` and `a.jpg`, and nobody who follows it would gain: Lightroom and Bridge look into sidecars of raw
files only. Of a .png or .jpg they read the file itself, which is never written here.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from rankkit.choose.select.image_files import ImageFiles
from rankkit.choose.select.plan import check_images
from rankkit.choose.select.rule import Selection
from rankkit.errors import RankkitError, UsageError
from rankkit.io.atomic import write_whole

PACKET = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="rankkit">
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <rdf:Description rdf:about="" xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmp:Rating="{}"/>
 </rdf:RDF>
</x:xmpmeta>
<?xpacket end="w"?>
"""
MOST = 5


def ratings(selection: Selection, image_files: ImageFiles, stars: int | None = None) -> dict[Path, int]:
    """The sidecar of each chosen image with its rating: `stars`, else the fifth of its part that it is in.

    An image that was chosen under several prompts gets its best rating. Raises `UsageError` for stars out of
    0 to 5, `RankkitError` that names images which are gone or in archives, and sidecars of other programs.
    """
    if stars is not None and not 0 <= stars <= MOST:
        raise UsageError(f"--stars is {stars}; a rating is 0 to {MOST}")
    check_images([each.candidate for each in selection.chosen], image_files)
    found: dict[Path, int] = {}
    for each in selection.chosen:
        if each.candidate.path is None:
            raise RankkitError(
                f"{each.candidate.image}: lies in an archive, beside which no rating can stand"
            )
        sidecar = Path(f"{os.path.abspath(each.candidate.path)}.xmp")
        found[sidecar] = max(found.get(sidecar, 0), each.stars if stars is None else stars)
    if foreign := [path for path in found if os.path.lexists(path) and not _is_ours(path)]:
        more = f" and {len(foreign) - 1} more" if len(foreign) > 1 else ""
        raise RankkitError(
            f"{foreign[0]}{more}: a sidecar that rankkit did not write is there already, and stays as it is; "
            f"rate these images in the program that wrote it"
        )
    return found


def write(found: Mapping[Path, int]) -> None:
    """Write the sidecars, each whole. Raises `RankkitError` where the disk fails."""
    for path, rating in found.items():
        try:
            write_whole(path, PACKET.format(rating))
        except OSError as error:
            raise RankkitError(
                f"{path}: {error.strerror or error}; the same command writes what is missing"
            ) from None


def written(folder: Path) -> tuple[list[Path], list[Path]]:
    """The sidecars below a folder: those that stand as rankkit wrote them, and all others.

    Raises `UsageError` where there is no such folder.
    """
    if not folder.is_dir():
        raise UsageError(f"{folder}: is no folder; name the one that holds the images")
    ours: list[Path] = []
    others: list[Path] = []
    for place, _, names in os.walk(folder):
        for name in sorted(names):
            if name.lower().endswith(".xmp"):
                path = Path(place, name)
                (ours if _is_ours(path) else others).append(path)
    return ours, others


def take_back(sidecars: Sequence[Path]) -> None:
    """Remove sidecars. Raises `RankkitError` where that fails."""
    for path in sidecars:
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise RankkitError(
                f"{path}: {error.strerror or error}; the same command goes on from there"
            ) from None


def _is_ours(path: Path) -> bool:
    """Whether a sidecar is just as we write them, with any rating."""
    try:
        text = path.read_text("utf-8")
    except (OSError, ValueError):
        return False
    return text in {PACKET.format(rating) for rating in range(MOST + 1)}
