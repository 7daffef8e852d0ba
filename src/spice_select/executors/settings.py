"""Who computes what a run must know of its rows: the settings. They change no number, and no choice."""

from typing import Literal

from pydantic import Field

from spice_select.settings.base import Group
from spice_select.settings.places import Place


class EngineSettings(Group):
    """Who computes gradients and other features."""

    engine: Literal["here", "ray", "parts"] = Field(
        "here",
        description="Who computes gradients. `here`: this process, one for each GPU, or those of torchrun; `ray`: "
        "actors on a Ray cluster (extra ray); `parts`: nobody, the run is begun and waits for `spice worker`.",
    )
    address: str | None = Field(
        None, description="Ray: address of the cluster, HOST:PORT. Default: RAY_ADDRESS, else that on this machine."
    )
    local: bool = Field(False, description="Ray: start a cluster on this machine for the run, and stop it after.")
    workers: int | None = Field(None, ge=1, description="Ray: how many actors. Default: as many as fit.")
    wait_for_workers: float = Field(
        0, ge=0, description="Ray: seconds to wait for a node that a worker fits on, where there is none yet."
    )
    store: Place | None = Field(
        None,
        description="Where the parts of features lie: `s3://bucket/folder`, `gs://…`, or any folder that all processes "
        "see. The run folder keeps the rest. Default: in the run folder.",
    )
    gather: bool = Field(
        False,
        description="Ray: nodes do not see this run's disk: parts come back through Ray, and are written here. Corpus "
        "and model must lie at the same path on every node.",
    )

    def clashes(self) -> list[str]:
        """Settings of Ray without it; two clusters at once."""
        changed = [name for name in self.changed() if name not in ("engine", "store")]
        if self.engine != "ray" and changed:
            flags = ", ".join(f"--{name.replace('_', '-')}" for name in changed)
            return [f"{flags} without --engine ray: nobody reads it. Give --engine ray, or leave it out."]
        if self.gather and self.store is not None:
            return ["--gather with --store: workers put their parts at the address themselves. Leave --gather out."]
        if self.local and self.address is not None:
            return ["--local with --address: the one starts a cluster, the other names one. Leave one of the two out."]
        return []
