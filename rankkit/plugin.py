"""What a plugin, a trainer or a script may use beyond the public names of `rankkit`, kept across versions.

| for | names |
|---|---|
| files to images | `decode`, `Decoded`, `to_rgb` |
| work done ahead in threads | `prefetch`, `map_images` |
| a ranker before it is built, and its answers | `prepare`, `Prepared`, `check_rankings`, `describe` |
| options that several rankers share | `Default`, `with_defaults` |
| rows and human preferences on disk | `read_rows`, `Row`, `open_preferences`, `PreferenceFile`, `Preference` |
| rates and means with intervals, clustered by prompt | `win_interval`, `clustered_mean`, `wilson`, `effective_size`, `Rate`, `Mean` |
| pages in the style of the gallery | `write_page`, `Section`, `h`, `table`, `image`, `line_chart`, `Curve` |
"""

from rankkit.analysis.stats import Mean, Rate, clustered_mean, effective_size, wilson, win_interval
from rankkit.core.binding import describe
from rankkit.core.calling import check_rankings
from rankkit.core.images import Decoded, decode, to_rgb
from rankkit.core.prefetch import map_images, prefetch
from rankkit.io.formats import read_rows
from rankkit.io.preferences import Preference, PreferenceFile, open_preferences
from rankkit.io.rows import Row
from rankkit.registry.load import Prepared, prepare
from rankkit.registry.options import Default, with_defaults
from rankkit.report.charts import Curve, line_chart
from rankkit.report.gallery import write_page
from rankkit.report.html import h
from rankkit.report.sections import Section, image, table

__all__ = [
    "Curve",
    "Decoded",
    "Default",
    "Mean",
    "Preference",
    "PreferenceFile",
    "Prepared",
    "Rate",
    "Row",
    "Section",
    "check_rankings",
    "clustered_mean",
    "decode",
    "describe",
    "effective_size",
    "h",
    "image",
    "line_chart",
    "map_images",
    "open_preferences",
    "prefetch",
    "prepare",
    "read_rows",
    "table",
    "to_rgb",
    "wilson",
    "win_interval",
    "with_defaults",
    "write_page",
]
