"""What flows and who ranks: groups, rankings, rankers and panels, the one decoder, and how pairs become an
order.
"""
