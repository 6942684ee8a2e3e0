"""The paper's tables (arXiv 2606.02521) in miniature, on the built-in world, each beside the paper's numbers
with a verdict in words.
"""
