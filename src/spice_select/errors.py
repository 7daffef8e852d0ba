"""The two kinds of fault: what the person can mend (exit code 2), and what is ours (exit code 1)."""

import difflib
from collections.abc import Iterable, Sequence


class SpiceError(Exception):
    """A fault on our side, or the machine's. The command line exits with 1."""


class InputError(SpiceError, ValueError):
    """Something the caller gave cannot be used. The command line prints the message and exits with 2.

    The message names the value, the cause and the remedy, in that order. It is also a `ValueError`, which is what
    a Python caller expects of a bad argument.
    """


class PartsDueError(SpiceError):
    """Parts of a run are left to other processes, as was asked for. The command line prints this and exits with 3."""


class DivergedError(InputError):
    """A loss or gradient of a training is no longer a finite number; the step was not made.

    Attributes:
        step: the last step after which the model was good, counted from 1; None where the message says it all.
    """

    def __init__(self, message: str, *, step: int | None = None) -> None:
        super().__init__(message)
        self.step = step


class NumericalWarning(UserWarning):
    """A number had to be repaired; the message says which, and by how much."""


def refuse_all(faults: Sequence[str], said: str) -> None:
    """Raise InputError with all the faults, if there are any: one by itself, several as a list after what is `said`."""
    if faults:
        raise InputError(faults[0] if len(faults) == 1 else said + "".join(f"\n  - {fault}" for fault in faults))


def fault_words(error: BaseException) -> str:
    """What a library's error says, on one line; with its class where the words alone say little (KeyError: 'silu2')."""
    speaking = isinstance(error, (OSError, ImportError, RuntimeError, ValueError))
    text = str(error) if speaking else f"{type(error).__name__}: {error}"
    return " ".join(text.split()).removesuffix(":")


def nearest(name: str, known: Iterable[str]) -> str:
    """` Did you mean 'x'?` for the known name closest to `name`, or an empty string: append it to a message."""
    match = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f" Did you mean {match[0]!r}?" if match else ""
