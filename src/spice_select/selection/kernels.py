"""The compiled loops (`kernel/`), where they were built and this processor can run them."""

from typing import Any

try:
    from spice_select.selection import _kernel
except ImportError:  # built without a C compiler
    _kernel = None  # type: ignore[assignment]

compiled: Any = _kernel


def has_kernel() -> bool:
    """Whether the kernel was built and this processor can run all of it (x86-64 with AVX2, or 64-bit ARM)."""
    return compiled is not None and bool(compiled.supported())
