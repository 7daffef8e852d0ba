"""The trainer's side of online selection: hands the model over, and keeps the picks in the trainer's checkpoints."""

from typing import TYPE_CHECKING, Any

from transformers import TrainerCallback
from transformers.trainer_callback import ExportableState

from spice_select.errors import InputError

if TYPE_CHECKING:
    from spice_select.schedules.online.selector import OnlineSelector

_PICKS, _GROUND = "picks", "ground"


class OnlineCallback(TrainerCallback, ExportableState):  # type: ignore[misc]
    """Made by `OnlineSelector.callback()`.

    The picks so far are part of `trainer_state.json` in every checkpoint. On resuming, the trainer skips the batches
    that it has trained on by iterating over them; the pools they came from are then read from there instead of being
    picked again at weights that have moved on, so a resumed training goes on with the very rows it would have met.
    """

    def __init__(self, selector: "OnlineSelector | None" = None) -> None:
        self._selector = selector

    @property
    def selector(self) -> "OnlineSelector":
        """The selector it belongs to."""
        if self._selector is None:
            raise InputError(
                "the online selector's callback was made anew without its selector: leave "
                "restore_callback_states_from_checkpoint off, the picks are restored without it."
            )
        return self._selector

    def on_train_begin(self, args: Any, state: Any, control: Any, *, model: Any, **kwargs: Any) -> None:
        _refuse(args, resumed=state.global_step > 0)
        known = self._known(state) if state.global_step > 0 else []
        self.selector.begin(model, state, dict(enumerate(known)))

    def _known(self, state: Any) -> list[list[int]]:
        """The picks that a checkpoint has. Raises InputError where they are none of this selector's."""
        kept: Any = (state.stateful_callbacks or {}).get(type(self).__name__)
        found = kept.get("attributes", {}) if isinstance(kept, dict) else {}
        if _PICKS not in found:
            raise InputError(
                f"the checkpoint of step {state.global_step} was made without an online selector: the trainer would "
                "skip the first pools as trained on. Begin a training anew from its weights."
            )
        if found.get(_GROUND) != self.selector.ground:
            raise InputError(
                f"the checkpoint of step {state.global_step} was made with other examples, pools or another method, or "
                "by a version that did not say: what it has as picked may be other rows here. Give the selector what "
                "it had, or begin anew."
            )
        return list(found[_PICKS])

    def on_epoch_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if self.selector.exhausted:
            control.should_training_stop = True  # the trainer would begin the dataset again

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.selector.end()

    def state(self) -> dict[str, Any]:
        """See `ExportableState`: the picks of every pool so far, and what they are picks of."""
        picks = [list(record.picks) for record in self.selector.records]
        return {"args": {}, "attributes": {_PICKS: picks, _GROUND: self.selector.ground}}


def _refuse(args: Any, *, resumed: bool) -> None:
    """Settings of the trainer under which the rows would not be those that were picked."""
    if args.world_size > 1:
        raise InputError(
            f"online selection in {args.world_size} processes: each would pick for itself. Train in one process."
        )
    if args.dataloader_num_workers > 0:
        raise InputError(
            f"dataloader_num_workers={args.dataloader_num_workers}: a worker has no access to the model. Set it to 0."
        )
    if resumed and args.ignore_data_skip:
        raise InputError(
            "ignore_data_skip=True: a resumed training would begin again with the first pools. Leave it off."
        )
