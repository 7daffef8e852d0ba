"""One session of training: begun or resumed, watched, and saved whole or not at all."""

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from spice_select.errors import DivergedError, InputError
from spice_select.gradients.memory import is_out_of_memory
from spice_select.models.lora import order_names
from spice_select.models.recorded import write_record
from spice_select.progress import Advance
from spice_select.store import whole_folder
from spice_select.training.callbacks import AllStepsMadeError, FiniteGuard, LossLog, NoStepTooMany, Ticker
from spice_select.training.generation import HeldGeneration
from spice_select.training.result import CHECKPOINTS, LAST_GOOD, LOSS

if TYPE_CHECKING:
    from trl import SFTTrainer

_TOO_LARGE = (
    "training ran out of memory. Lower --batch-size and raise --accumulation by as much (the steps stay the same), add "
    "--gradient-checkpointing, or cut rows shorter with --max-length; with another --out, or --overwrite."
)


class Session:
    """A trainer at work.

    Args:
        trainer: TRL's trainer, ready to run.
        folder: the training's folder.
        tensorboard: log to TensorBoard too.
        base: what is recorded of the model that is trained, written beside an adapter on it.
    """

    def __init__(
        self, trainer: "SFTTrainer", folder: Path, *, tensorboard: bool, base: Mapping[str, str] | None = None
    ) -> None:
        self._trainer, self._folder, self._base = trainer, folder, base
        self._generation = HeldGeneration(trainer.model)
        self.seconds = 0.0
        trainer.add_callback(FiniteGuard(scaled=trainer.args.fp16))
        trainer.add_callback(LossLog(folder / LOSS))
        if tensorboard:
            from torch.utils.tensorboard import SummaryWriter
            from transformers.integrations import TensorBoardCallback

            trainer.add_callback(TensorBoardCallback(SummaryWriter(log_dir=str(folder / "tensorboard"))))

    @property
    def tokens(self) -> int:
        """Tokens seen over all sessions, padding not counted."""
        return int(self._trainer.state.num_input_tokens_seen)

    def run(self, checkpoint: Path | None, advance: Advance) -> None:
        """Train to the last step.

        Raises:
            InputError: the loss or its gradient is no longer finite, and the model as it was before is in
                ``last-good``; or a micro-batch does not fit in memory.
        """
        ticker = Ticker(advance)
        self._trainer.add_callback(ticker)
        self._trainer.add_callback(NoStepTooMany())  # the last one: the others take up what the checkpoint holds
        try:
            with suppress(AllStepsMadeError):
                self._trainer.train(resume_from_checkpoint=None if checkpoint is None else str(checkpoint))
        except DivergedError as fault:
            raise InputError(self._kept(fault)) from fault
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            raise InputError(_TOO_LARGE) from error
        self.seconds = ticker.seconds

    def save(self, target: Path, *, dtype: str = "float32") -> None:
        """Write adapter or model and the tokenizer to a folder that appears whole or not at all."""
        model: Any = self._trainer.model
        model.config.use_cache = True  # it was turned off to train
        if hasattr(model, "peft_config"):
            order_names(model)
        else:
            model = model.to(getattr(torch, dtype))
        with whole_folder(target) as aside:
            model.save_pretrained(aside)
            self._generation.write(aside)
            self._trainer.processing_class.save_pretrained(aside)
            if self._base is not None and hasattr(model, "peft_config"):
                write_record(aside, self._base)

    def _kept(self, fault: DivergedError) -> str:
        """Save what is still good and say where."""
        place = self._folder / LAST_GOOD
        self.save(place)
        if fault.step == 0:
            return (
                f"training stopped: {fault}, and no step was made before it: the model's weights may be damaged, a row "
                "may be, or the precision too low. Use --dtype float32, or another --model, with another --out, and "
                f"check the rows with `spice preview`. The model as it was is kept in {place}."
            )
        return (
            f"training stopped: {fault}. The model after step {fault.step} is kept in {place}, checkpoints in "
            f"{self._folder / CHECKPOINTS}. Lower --learning-rate (or use --dtype float32) with another --out, and "
            "check the rows with `spice preview`."
        )
