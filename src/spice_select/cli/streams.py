"""The standard streams as a command finds them: one that was closed is opened on nothing."""

import os
import sys

_STREAMS = (("stdin", "r"), ("stdout", "w"), ("stderr", "w"))


def open_closed() -> None:
    """Open standard streams that the caller closed (``>&-``) on the null device.

    Python has None for such a stream, which libraries write to all the same; and the next file that is opened would get
    its number, so that what native code prints would stand in that file.
    """
    for number, (name, mode) in enumerate(_STREAMS):
        try:
            os.fstat(number)
        except OSError:
            handle = os.open(os.devnull, os.O_RDWR)
            os.dup2(handle, number)  # for children, too
            if handle != number:
                os.close(handle)
        if getattr(sys, name) is None:  # by name: another file may have the stream's number by now
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115 - as long as the process
