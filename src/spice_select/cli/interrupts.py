"""Ctrl-C, pressed once or twice: one line, no traceback."""

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator
from types import FrameType

INTERRUPTED = "interrupted: run the same command again to go on from the last finished part"
_PATIENCE = 2.0
"""Seconds in which a second Ctrl-C counts as the first: a double press, or a terminal that sends it to a pipe twice."""


class _Interrupts:
    """The first Ctrl-C unwinds what is at work; one that comes while it does so is passed over.

    Where unwinding takes longer than `_PATIENCE`, or a library has swallowed the first, the next one ends the process
    at once: all files are whole or absent at any moment.
    """

    def __init__(self) -> None:
        self._first: float | None = None

    @property
    def came(self) -> bool:
        """Whether there was one."""
        return self._first is not None

    def __call__(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if self._first is None:
            self._first = now
            raise KeyboardInterrupt
        if now - self._first > _PATIENCE:
            os.write(2, f"{INTERRUPTED}\n".encode())
            os._exit(130)


@contextlib.contextmanager
def interrupted_once() -> Iterator[None]:
    """Within it, and on the way out of the interpreter after an interrupt, Ctrl-C makes no traceback.

    After an interrupt SIGINT stays ignored: the process is on its way out. Left alone where the caller has a handler of
    its own, or is not the main thread.
    """
    own = threading.current_thread() is threading.main_thread()
    if not own or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    handler = _Interrupts()
    signal.signal(signal.SIGINT, handler)
    try:
        yield
    finally:
        if handler.came:
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # the interpreter ends now, and would die of another one
        elif signal.getsignal(signal.SIGINT) is handler:
            signal.signal(signal.SIGINT, signal.default_int_handler)
