"""The compiled loops (`kernel/`), where they were built and this processor can run them.

They run on the widest instruction set there is; the environment variable `SPICE_KERNEL` asks for another, or for numpy.
"""

import os
from typing import Any

from spice_select.errors import InputError

compiled: Any
try:
    from spice_select.selection.paths.blocked import _kernel as compiled  # type: ignore[attr-defined, no-redef, unused-ignore]
except ImportError:  # built without a C compiler
    compiled = None


def has_kernel() -> bool:
    """Whether the kernel was built and this processor can run all of it (x86-64 with AVX2, or 64-bit ARM)."""
    return bool(kernel_paths())


def kernel_paths() -> tuple[str, ...]:
    """The instruction sets that the kernel can run on here, the widest last: avx2, avx512; neon."""
    return () if compiled is None else compiled.paths()


def heed_environment() -> None:
    """Go where `SPICE_KERNEL` says, if it says anything. Raises InputError if the loops cannot run there."""
    global compiled
    path = os.environ.get("SPICE_KERNEL")
    if path == "numpy":
        compiled = None
    elif path in kernel_paths():
        compiled.use(path)
    elif path is not None:
        raise InputError(
            f"SPICE_KERNEL={path}: the selector's loops cannot run on that here. "
            f"Set it to {', '.join(kernel_paths())} or numpy, or not at all."
        )
