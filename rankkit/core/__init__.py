"""What flows and who ranks.

Groups, rankings, rankers and panels, the one decoder, and how pairs become an order.
"""
