"""What a plugin, a trainer or a script may use beyond the public names of `rankkit`, kept across versions.

| for | names |
|---|---|
| files to images | `decode`, `Decoded`, `to_rgb` |
| images that metadata or an option names | `image_of`, `images_of`, `image_option` |
| work done ahead in threads | `prefetch`, `map_images` |
| a ranker before it is built | `prepare`, `Prepared` |
| versions of packages, as part of a ranker's | `versions_of` |
| calling a ranker, and its answers | `rank_groups`, `check_rankings`, `describe`, `absence` |
| what a library or a server said, within a message | `reason_of`, `line_of` |
| options that several rankers share | `Default`, `with_defaults` |
| rows on disk | `read_rows`, `Row` |
| files that are replaced whole or not at all, and held by one process | `replacing_file`, `try_lock` |
| lists of prompts on disk | `read_prompts`, `PromptList` |
| human preferences on disk | `open_preferences`, `PreferenceFile`, `Preference` |
| rates with intervals, clustered by prompt | `win_interval`, `Rate`, `verdict`, `wilson`, `effective_size` |
| means with intervals, clustered by prompt | `clustered_mean`, `Mean` |
| pages in the style of the gallery | `write_page`, `Section`, `h`, `table`, `image` |
| drawings and images on them | `line_chart`, `Curve`, `series`, `Followed` |
| a command line that ends as rankkit's does | `Program`, `print_result`, `say` |
| names that are not free | `RESERVED_OPTIONS`, `RESERVED_DETAILS` |
"""

import importlib
from typing import TYPE_CHECKING, Any

from rankkit.analysis.stats import Mean, Rate, clustered_mean, effective_size, verdict, wilson, win_interval
from rankkit.core.binding import RESERVED_DETAILS, RESERVED_OPTIONS, describe
from rankkit.core.calling import check_rankings, rank_groups
from rankkit.core.images import Decoded, decode, to_rgb
from rankkit.core.named import image_of, image_option, images_of
from rankkit.core.prefetch import map_images, prefetch
from rankkit.core.text import line_of, reason_of
from rankkit.io.atomic import replacing_file, try_lock
from rankkit.io.formats import read_rows
from rankkit.io.rows import Row
from rankkit.registry.load import Prepared, prepare
from rankkit.registry.options import Default, with_defaults
from rankkit.remote.base import absence
from rankkit.report.charts import Curve, line_chart
from rankkit.report.extras import Section, image, table
from rankkit.report.html import h
from rankkit.report.series import Followed, series
from rankkit.version import versions_of

if TYPE_CHECKING:
    from rankkit.cli.console import Program, print_result, say
    from rankkit.io.preferences import Preference, PreferenceFile, open_preferences
    from rankkit.io.prompt_lists import PromptList, read_prompts
    from rankkit.report.document import write_page

__all__ = [
    "RESERVED_DETAILS",
    "RESERVED_OPTIONS",
    "Curve",
    "Decoded",
    "Default",
    "Followed",
    "Mean",
    "Preference",
    "PreferenceFile",
    "Prepared",
    "Program",
    "PromptList",
    "Rate",
    "Row",
    "Section",
    "absence",
    "check_rankings",
    "clustered_mean",
    "decode",
    "describe",
    "effective_size",
    "h",
    "image",
    "image_of",
    "image_option",
    "images_of",
    "line_chart",
    "line_of",
    "map_images",
    "open_preferences",
    "prefetch",
    "prepare",
    "print_result",
    "rank_groups",
    "read_prompts",
    "read_rows",
    "reason_of",
    "replacing_file",
    "say",
    "series",
    "table",
    "to_rgb",
    "try_lock",
    "verdict",
    "versions_of",
    "wilson",
    "win_interval",
    "with_defaults",
    "write_page",
]


# what needs Typer, or every reader of prompts, is imported when it is asked for
_LATE = {
    **dict.fromkeys(("Program", "print_result", "say"), "rankkit.cli.console"),
    **dict.fromkeys(("Preference", "PreferenceFile", "open_preferences"), "rankkit.io.preferences"),
    **dict.fromkeys(("PromptList", "read_prompts"), "rankkit.io.prompt_lists"),
    "write_page": "rankkit.report.document",
}


def __getattr__(name: str) -> Any:
    """The names that take long to import."""
    if name in _LATE:
        return getattr(importlib.import_module(_LATE[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
