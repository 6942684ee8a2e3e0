"""Rows to one self-contained HTML file."""

from rankkit.report.gallery import gallery
from rankkit.report.page import Section

__all__ = ["Section", "gallery"]
