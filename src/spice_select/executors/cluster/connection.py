"""The way to a cluster and back: whatever was there before the run is there after it."""

import contextlib
import logging
import os
import socket
from collections.abc import Iterator
from typing import Any

from spice_select.errors import InputError
from spice_select.executors.settings import EngineSettings
from spice_select.settings.whole_number import whole_number

_KNOCK = 5.0
"""Seconds to wait for a cluster to answer at all."""
_OBJECT_STORE = 128 * 2**20
"""Bytes of shared memory of a cluster that is started here: receipts are small."""


@contextlib.contextmanager
def connected(asked: EngineSettings) -> Iterator[Any]:
    """Ray, connected to the cluster that was asked for; a connection that was there already is used and left alone.

    A cluster is started with `--local` alone, and then stopped.

    Raises:
        InputError: no Ray here, no cluster there, or one of another Ray or Python.
    """
    try:
        import ray
    except ImportError as error:
        raise InputError("--engine ray: Ray is not installed here. pip install 'spice-select[ray]'") from error
    if ray.is_initialized():
        yield ray
        return
    _connect(ray, asked)
    try:
        yield ray
    finally:
        ray.shutdown()


def _connect(ray: Any, asked: EngineSettings) -> None:
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    if asked.local:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing leaves this machine
        ray.init("local", include_dashboard=False, object_store_memory=_OBJECT_STORE, **quiet)
        return
    address = asked.address or os.environ.get("RAY_ADDRESS") or "auto"
    refuse_silent(address)
    try:
        ray.init(address, **quiet)
    except ConnectionError as error:
        raise InputError(
            f"no Ray cluster answers at {address} ({_first_line(error)}). Start one with `ray start --head`, give its "
            "--address HOST:PORT, or --local to have one started here for this run."
        ) from error
    except RuntimeError as error:
        if "ersion mismatch" not in str(error):
            raise
        raise InputError(
            f"the cluster at {address} runs another Ray or Python than this process, which must agree to the patch: "
            f"{' '.join(str(error).split())}. Start the driver from the cluster's environment."
        ) from error


def refuse_silent(address: str) -> None:
    """Raise InputError where an address is none, or nothing listens there: Ray itself would try for a minute."""
    if address in ("auto", "local"):
        return
    host, _, port = address.rpartition(":")
    if "://" in address or not host or whole_number(port) is None:
        raise InputError(
            f"--address {address}: not HOST:PORT. Give the address that `ray start --head` printed (of its GCS, port "
            "6379 unless told otherwise); Ray Client (ray://) is not used, start the driver on a node of the cluster."
        )
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_KNOCK).close()
    except (OSError, OverflowError) as error:
        raise InputError(
            f"no Ray cluster answers at {address} ({error}). Look whether its head runs and whether this machine "
            "reaches it; `ray start --head` prints the address."
        ) from error


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
