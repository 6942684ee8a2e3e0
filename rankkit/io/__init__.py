"""Files in and out.

Rows and their formats, records of any table, human preferences, and where prompts come from.
"""
