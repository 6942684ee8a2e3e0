"""Rows and preferences to numbers with intervals.

Leaderboards, comparisons, agreement with people, reliability of judges.
"""
