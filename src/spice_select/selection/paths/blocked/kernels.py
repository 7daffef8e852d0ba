"""The compiled loops (`kernel/`), where they were built and this processor can run them."""

from typing import Any

compiled: Any
try:
    from spice_select.selection.paths.blocked import _kernel as compiled  # type: ignore[attr-defined, no-redef, unused-ignore]
except ImportError:  # built without a C compiler
    compiled = None


def has_kernel() -> bool:
    """Whether the kernel was built and this processor can run all of it (x86-64 with AVX2, or 64-bit ARM)."""
    return compiled is not None and bool(compiled.supported())
