"""A refusal of the file system, also where a library makes an error of its own of it."""

import errno
import os
import re

_OF_RUST = re.compile(r"\(os error (\d+)\)")
"""How safetensors and tokenizers say the system's number: in their words alone."""
_OF_TORCH = re.compile(r"inline_container.*(unexpected pos|PytorchStreamWriter failed)", re.DOTALL)
"""What `torch.save` says where less was written than it gave; its own writer keeps no number."""


def refusal(error: BaseException) -> OSError | None:
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
