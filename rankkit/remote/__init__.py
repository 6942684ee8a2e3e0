"""Rankers in another process or on another machine, seen from here."""
