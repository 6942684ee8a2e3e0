"""Places in a JSON value, for tests that change one of them."""


def places(value, way=()):
    """Every place in a JSON value, as the keys that lead to it."""
    children = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    for key, child in children:
        yield (*way, key)
        yield from places(child, (*way, key))


def chosen_place(rng, value):
    """One place: the keys before the last, the list or object that holds it, and its key there; None where
    there is none.
    """
    ways = list(places(value))
    if not ways:
        return None
    *way, last = rng.choice(ways)
    holder = value
    for key in way:
        holder = holder[key]
    return way, holder, last
