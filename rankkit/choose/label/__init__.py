"""People's choices: images of one prompt shown side by side in a browser, and each answer kept in a file.

candidates → beliefs → session → application; `answers` is the file, `rows` what it says as rows.
"""
