"""What a plugin, a trainer or a script may use beyond the public names of `rankkit`; kept across versions as those are.

Files to images (`decode`), work done ahead in threads (`prefetch`, `map_images`), rows on disk (`read_rows`), a ranker before it is
built (`prepare`), and rates and means with intervals, clustered by prompt (`win_interval`, `clustered_mean`).
"""

from rankkit.analysis.stats import Mean, Rate, clustered_mean, effective_size, wilson, win_interval
from rankkit.core.images import Decoded, decode, to_rgb
from rankkit.core.prefetch import map_images, prefetch
from rankkit.io.formats import read_rows
from rankkit.io.rows import Row
from rankkit.registry.load import Prepared, prepare

__all__ = [
    "Decoded",
    "Mean",
    "Prepared",
    "Rate",
    "Row",
    "clustered_mean",
    "decode",
    "effective_size",
    "map_images",
    "prefetch",
    "prepare",
    "read_rows",
    "to_rgb",
    "wilson",
    "win_interval",
]
