"""A number that some rows do not have."""

from spice_select.errors import InputError


class UndefinedNumberError(InputError):
    """These rows do not have the number asked for; the message says why. `measure_diversity` tells it as a reason."""
