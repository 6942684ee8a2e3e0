"""Choosing among images by what rankers said of them: the best out of rows, and the same in Python."""
