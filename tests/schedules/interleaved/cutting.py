"""Interleaved runs that are cut off wherever something is written or a step is made."""

from collections.abc import Callable
from pathlib import Path

import pytest

from spice_select.schedules.interleaved.moving import Checkpoints
from spice_select.schedules.interleaved.steps import ProxyTrainer
from spice_select.store import PartStore

OUTPUTS = ("selected.jsonl", "selection.parquet", "proxy/steps.jsonl", "proxy/adapter/adapter_model.safetensors")


class Killed(BaseException):
    """Stands for a process that ends here."""


def contents(folder: Path) -> dict[str, bytes]:
    features = sorted(path.relative_to(folder).as_posix() for path in folder.glob("gradients/**/*.parquet"))
    return {name: (folder / name).read_bytes() for name in (*OUTPUTS, *features)}


def cut_anywhere(monkeypatch: pytest.MonkeyPatch, run: Callable[[], object]) -> int:
    """Begin a run again and again, ended at its second write, step or checkpoint; returns how often."""
    deaths = 0
    write, step, save = PartStore.write, ProxyTrainer.step, Checkpoints.save
    for method, owner, real in (("write", PartStore, write), ("step", ProxyTrainer, step), ("save", Checkpoints, save)):
        for late in (False, True):
            calls = [0]

            def dying(self, *arguments, real=real, late=late, calls=calls):
                calls[0] += 1
                if calls[0] == 2:
                    if late:
                        real(self, *arguments)
                    raise Killed
                return real(self, *arguments)

            monkeypatch.setattr(owner, method, dying)
            try:
                run()
            except Killed:
                deaths += 1
            monkeypatch.setattr(owner, method, real)
    return deaths
