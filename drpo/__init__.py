"""drpo finetunes one-step text-to-image generators from rankings alone (Jiang, Wen, Liu; arXiv
2606.02521).
"""

import rankkit  # noqa: F401  (first of all imports: Ctrl-C during the others is no traceback)
