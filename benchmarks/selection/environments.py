"""One virtual environment a peer, made outside the repository, because their versions of numpy and torch clash.

A peer is named once, here: what it needs to be installed, and which script in `runners/` drives it. An environment
is made on first use under `$SPICE_BENCH_CACHE` (default: `spice-bench` in the system's temporary folder) and kept.
"""

import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

RUNNERS = Path(__file__).parent / "runners"


@dataclass(frozen=True, kw_only=True)
class Peer:
    """A way to select: `runner` is a script in `runners/`; no `requirements` means this very interpreter."""

    name: str
    title: str
    runner: str
    arguments: tuple[str, ...] = ()
    requirements: tuple[str, ...] = ()
    isolated: bool = False  # --no-deps: the peer's own pins are wrong or too heavy, `requirements` lists all it uses


PEERS = (
    Peer(name="ours", title="spice_select.greedy", runner="ours.py"),
    Peer(name="ours_avx2", title="spice_select.greedy on AVX2", runner="ours.py", arguments=("--kernel", "avx2")),
    Peer(name="ours_numpy", title="spice_select.greedy on numpy", runner="ours.py", arguments=("--kernel", "numpy")),
    Peer(
        name="ours_cuda",
        title="spice_select.greedy on cuda",
        runner="ours.py",
        arguments=("--device", "cuda"),
    ),
    Peer(
        name="ours_variance",
        title="spice_select.greedy, target-variance",
        runner="ours.py",
        arguments=("--objective", "target-variance"),
    ),
    Peer(
        name="ours_variance_cuda",
        title="spice_select.greedy, target-variance, on cuda",
        runner="ours.py",
        arguments=("--objective", "target-variance", "--device", "cuda"),
    ),
    Peer(name="eager32", title="eager rank-one, float32", runner="eager.py", arguments=("--dtype", "float32")),
    Peer(name="eager64", title="eager rank-one, float64", runner="eager.py", arguments=("--dtype", "float64")),
    Peer(name="fast_map", title="fast greedy MAP (Chen et al. 2018), float32", runner="fast_map.py"),
    Peer(
        name="bmdal",
        title="bmdal_reg 3.0.2 MaxDet, float32",
        runner="bmdal_maxdet.py",
        requirements=("bmdal_reg==3.0.2", "torch==2.13.0", "numpy<2", "dill", "psutil", "pyyaml"),
        isolated=True,
    ),
    Peer(
        name="submodlib",
        title="submodlib-py 0.0.3 LogDeterminant, LazyGreedy",
        runner="submodlib_logdet.py",
        requirements=("submodlib-py==0.0.3",),
    ),
    Peer(
        name="activeft",
        title="activeft 0.1.1 UndirectedITL, float32",
        runner="activeft_itl.py",
        requirements=("activeft==0.1.1", "torch==2.13.0", "numpy", "tqdm", "wandb", "faiss-cpu"),
        isolated=True,
    ),
)


def peer(name: str) -> Peer:
    """The peer of that name; `KeyError` names the known ones."""
    known = {p.name: p for p in PEERS}
    if name not in known:
        raise KeyError(f"unknown peer {name!r}; known: {', '.join(known)}")
    return known[name]


def cache_folder() -> Path:
    """Where environments, data and raw results live: never inside the repository."""
    default = Path(tempfile.gettempdir()) / "spice-bench"
    return Path(os.environ.get("SPICE_BENCH_CACHE", default))


def interpreter(which: Peer) -> Path:
    """The Python that runs this peer; makes its environment if there is none. Raises CalledProcessError."""
    if not which.requirements:
        return Path(sys.executable)
    folder = cache_folder() / "venvs" / which.name
    python = folder / "bin" / "python"
    if not (folder / "ready").exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        _install(python, which)
        (folder / "ready").touch()
    return python


def _install(python: Path, which: Peer) -> None:
    pip = [str(python), "-m", "pip", "install", "-q"]
    if which.isolated:
        subprocess.run([*pip, "--no-deps", which.requirements[0]], check=True)
        subprocess.run([*pip, *which.requirements[1:]], check=True)
    else:
        subprocess.run([*pip, *which.requirements], check=True)
