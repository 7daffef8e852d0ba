"""What went wrong in an actor, as a fault of this package."""

from typing import Any

from spice_select.errors import InputError, SpiceError


def raised_by(who: object, error: Any) -> SpiceError:
    """Bad input that was found there, as such; else our own fault, with its traceback. `error` is one of Ray's."""
    cause = getattr(error, "cause", None) or error  # of an actor that is gone there is none
    if isinstance(cause, InputError):
        return InputError(str(cause))
    return SpiceError(f"{who} failed: {type(cause).__name__}: {cause}\n{error}")
