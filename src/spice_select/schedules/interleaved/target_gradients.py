"""The target's gradients at each state of the moving proxy: once a cycle, kept on disk."""

from spice_select.features.base import Compute
from spice_select.features.proxy import Proxy
from spice_select.features.stage import compute_part, due_in, plan_parts
from spice_select.methods.base import GRADIENTS
from spice_select.models.folding import folded
from spice_select.progress.clock import Clock
from spice_select.run.aims import Aims
from spice_select.run.folder import RunFolder
from spice_select.run.origin import target_store
from spice_select.run.settings import SelectSettings
from spice_select.run.target import TargetRows
from spice_select.schedules.interleaved.moving import MovingProxy
from spice_select.schedules.interleaved.opening import MovingGradients
from spice_select.store import PartStore


class TargetGradients:
    """What a choice is for, seen by the proxy as it is when a pool is chosen from.

    Args:
        run: its folder keeps the parts, ``target/gradients/cycle-00000`` and on.
        target: its rows.
        settings, proxy: of the run.
        moving: the proxy, brought to a cycle's state before gradients are taken.
        clock: told what went into gradients and what into training.
    """

    def __init__(
        self,
        run: RunFolder,
        target: TargetRows,
        settings: SelectSettings,
        proxy: Proxy,
        moving: MovingProxy,
        clock: Clock,
    ) -> None:
        self._run, self._target, self._settings, self._moving, self._clock = run, target, settings, moving, clock
        lengths = [example.num_tokens for example in target.examples]
        self._parts = plan_parts(lengths, batch_tokens=proxy.batch_tokens(settings.gradients))
        self._engine: Compute | None = None
        self._last: tuple[int, Aims] | None = None

    def at(self, cycle: int) -> Aims:
        """The target after so many updates. Cost: a backward pass of its rows, once a cycle."""
        if self._last is None or self._last[0] != cycle:
            store = target_store(self._run.path, self._run.identity, cycle=cycle)
            self._compute(store, cycle)
            blocks = {GRADIENTS: store.read(len(self._parts))}
            aims = Aims.of(self._target, blocks, normalise=self._settings.selection.normalise)
            self._last = cycle, aims
        return self._last[1]

    def _compute(self, store: PartStore, cycle: int) -> None:
        rows = self._target.examples
        missing = [n for n, part in enumerate(self._parts) if not store.is_finished(n, due_in(rows, part))]
        if not missing:
            return
        with self._clock("training"):
            trainer = self._moving.at(cycle)
        self._engine = self._engine or MovingGradients(self._settings, trainer)
        with self._clock("gradients"), folded(trainer.model):
            for number in missing:
                store.write(number, compute_part(self._engine, rows, self._parts[number], lambda tokens: None))
