"""The best images out of rows: candidates → rule → selection → copies, links, moves or ratings, and back.

Nothing is touched before everything that could fail has been looked at.
"""
