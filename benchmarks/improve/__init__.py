"""Could it be better than the paper? Changes of the method, a few lines each, beside the method as published.

Nothing here goes into drpo. To add one: a function or a class in the file of its kind, and a line in
`variants`.
"""
