"""One virtual environment a peer, made outside the repository: its own pins are left aside, torch is this one's."""

import os
import subprocess
import sys
import sysconfig
import tempfile
from dataclasses import dataclass
from pathlib import Path

RUNNERS = Path(__file__).parent


@dataclass(frozen=True, kw_only=True)
class Peer:
    """A library: `requirements` are installed without their dependencies, beside this interpreter's packages.

    No requirements means this very interpreter.
    """

    name: str
    title: str
    runner: str
    requirements: tuple[str, ...] = ()


PEERS = (
    Peer(name="ours", title="spice_select", runner="ours.py"),
    Peer(
        name="bergson",
        title="bergson 2.5.1",
        runner="bergson_hooks.py",
        requirements=(
            "bergson==2.5.1",
            "jaxtyping",
            "wadler-lindig",
            "natsort",
            "petname",
            "simple-parsing",
            "docstring-parser",
            "ml_dtypes",
        ),
    ),
    Peer(name="dattri", title="dattri 0.3.0", runner="dattri_logra.py", requirements=("dattri==0.3.0",)),
    Peer(name="traker", title="traker 0.3.2", runner="traker_functional.py", requirements=("traker==0.3.2",)),
    Peer(
        name="opacus",
        title="opacus 1.6.0",
        runner="opacus_hooks.py",
        requirements=("opacus==1.6.0", "opt_einsum"),
    ),
)


def cache_folder() -> Path:
    """Where environments and exchanged files live: never inside the repository."""
    default = Path(tempfile.gettempdir()) / "spice-bench"
    return Path(os.environ.get("SPICE_BENCH_CACHE", default))


def interpreter(peer: Peer) -> Path:
    """The Python that runs this peer; makes its environment if there is none.

    Raises:
        CalledProcessError: the environment cannot be made, or a package not be had.
    """
    if not peer.requirements:
        return Path(sys.executable)
    folder = cache_folder() / "gradient-venvs" / peer.name
    if not (folder / "ready").exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", "--without-pip", str(folder)], check=True)
        packages = next((folder / "lib").glob("python*")) / "site-packages"
        (packages / "shared.pth").write_text(sysconfig.get_paths()["purelib"] + "\n", encoding="utf-8")
        pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", str(packages)]
        subprocess.run([*pip, *peer.requirements], check=True)
        (folder / "ready").touch()
    return folder / "bin" / "python"
