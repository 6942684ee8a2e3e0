"""What flows and who ranks.

Groups, rankings, rankers and panels, the one decoder, and how pairs become an order.
"""

import rankkit.starting  # noqa: F401  (first of all imports: Ctrl-C during the others is no traceback)
