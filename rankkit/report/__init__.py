"""Rows to one self-contained HTML file."""
