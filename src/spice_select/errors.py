"""The two kinds of fault: what the person can mend (exit code 2), and what is ours (exit code 1)."""

import difflib
import errno
import os
import re
import traceback
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Self

_OF_RUST = re.compile(r"\(os error (\d+)\)")
"""How safetensors and tokenizers say the system's number: in their words alone."""
_OF_TORCH = re.compile(r"inline_container.*(unexpected pos|PytorchStreamWriter failed)", re.DOTALL)
"""What `torch.save` says where less was written than it gave; its own writer keeps no number."""


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


def system_refusal(error: BaseException) -> OSError | None:
    """The refusal that an error is or stands for, with its `errno`; None for an error of any other kind."""
    if isinstance(error, OSError):
        return error
    said = str(error)
    if found := _OF_RUST.search(said):
        return OSError(int(found[1]), os.strerror(int(found[1])))
    if _OF_TORCH.search(said):
        told = error.__context__
        return told if isinstance(told, OSError) else OSError(errno.ENOSPC, "torch could write a part of it alone")
    return None


def full_disk(error: BaseException) -> str | None:
    """What to do where nothing more can be written, in one sentence; None for any other error."""
    refused = system_refusal(error)
    if refused is None or refused.errno not in (errno.ENOSPC, errno.EDQUOT):
        return None
    place = refused.filename or "standard output or a temporary folder"
    return (
        f"{place}: nothing more can be written there ({refused.strerror}). Free some space, or write elsewhere, and "
        "run the same command again: finished parts are kept."
    )


@dataclass(frozen=True, kw_only=True)
class PartFailure:
    """What a part of some work ended with, where the rest of it went on.

    Attributes:
        cause: why, on one line.
        mendable: whether the person who asked can mend it.
        trace: where it is a fault on our side, Python's lines about it, for a report; else "".
    """

    cause: str
    mendable: bool
    trace: str = ""

    @classmethod
    def of(cls, error: Exception, **what: Any) -> Self:
        """From an error; `what` says which part, as a subclass has it."""
        said = full_disk(error)
        if said is None:
            said = str(error) if isinstance(error, SpiceError) else f"{type(error).__name__}: {error}"
        mendable = isinstance(error, InputError) or full_disk(error) is not None
        trace = "" if mendable else "".join(traceback.format_exception(error))
        return cls(cause=" ".join(said.split()), mendable=mendable, trace=trace, **what)


def whose_fault(results: object) -> str:
    """What to do about a part that failed by a fault on our side, of which `results` keeps the trace."""
    return f"this is our fault, not yours: its lines stand as `trace` in {results}; please report them."


def fault_words(error: BaseException) -> str:
    """What a library's error says, on one line; with its class where the words alone say little (KeyError: 'silu2')."""
    speaking = isinstance(error, (OSError, ImportError, RuntimeError, ValueError))
    text = str(error) if speaking else f"{type(error).__name__}: {error}"
    return " ".join(text.split()).removesuffix(":")


def nearest(name: str, known: Iterable[str]) -> str:
    """` Did you mean 'x'?` for the known name closest to `name`, or an empty string: append it to a message."""
    match = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f" Did you mean {match[0]!r}?" if match else ""
