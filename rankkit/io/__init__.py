"""Files in and out: rows and their formats, records of any table, human preferences, and where prompts come
from.
"""
