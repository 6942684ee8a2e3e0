"""Small drawings as inline SVG.

Only attributes and the page's classes are used, never inline styles: the page's policy refuses those.
"""

from rankkit.report.charts.lines import Curve, line_chart
from rankkit.report.charts.small import Slope, bar, distribution, histogram, slopes

__all__ = ["Curve", "Slope", "bar", "distribution", "histogram", "line_chart", "slopes"]
