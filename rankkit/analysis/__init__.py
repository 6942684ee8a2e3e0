"""Rows and preferences to numbers with intervals: leaderboards, comparisons, agreement with people,
reliability of judges.
"""
