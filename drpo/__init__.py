"""drpo finetunes one-step text-to-image generators from rankings alone (Jiang, Wen, Liu; arXiv
2606.02521).
"""
