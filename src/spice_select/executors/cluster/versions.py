"""What must be the same in every process of a run, and what differs."""

import platform
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version

from spice_select.errors import InputError

_SAME = ("ray", "torch", "transformers", "tokenizers", "numpy", "spice-select")


def own_versions() -> dict[str, str]:
    """Python to the patch, which Ray asks for, and the packages that move objects or decide a bit of a gradient."""
    return {"python": platform.python_version(), **{package: _installed(package) for package in _SAME}}


def differing_versions(driver: Mapping[str, str], worker: Mapping[str, str]) -> str:
    """Each version that differs, in words; empty if none does."""
    names = [name for name in driver if driver[name] != worker.get(name)]
    return "; ".join(f"{name}: the driver has {driver[name]}, the worker {worker.get(name)}" for name in names)


def refuse_other_versions(driver: Mapping[str, str], who: str, *, would: str) -> None:
    """Raise InputError where this process has other versions than the driver, with what it then `would` do."""
    differing = differing_versions(driver, own_versions())
    if differing:
        raise InputError(
            f"{who} has other versions than the driver, and would {would}: {differing}. Install the same on every node."
        )


def _installed(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "none"
