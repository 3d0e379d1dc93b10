"""Parcels, which only child processes weigh."""


def weigh(count):
    """Grams of a parcel."""
    if count > 100:
        raise ValueError(count)
    return count * 500
