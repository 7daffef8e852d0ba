"""A target's settings of generation, which training has no part in: they are saved as they came."""

import copy
import re
from pathlib import Path
from typing import Any

from spice_select.errors import InputError, fault_words
from spice_select.models.quiet import quiet_transformers


class HeldGeneration:
    """Settings of generation that transformers reads and refuses to save, held aside while it saves the others.

    Those that a greedy model ignores are such: a temperature beside ``do_sample: false``, as many models have it. A
    training of all weights would end in that refusal, at its first checkpoint or after its last step.
    """

    def __init__(self, model: Any) -> None:
        """Takes them out of the model. Raises InputError where what remains cannot be saved either."""
        self._config = None if hasattr(model, "peft_config") else getattr(model, "generation_config", None)
        self._held: dict[str, Any] = {}
        if (fault := self._fault()) is None:
            return
        names = [name for name in re.findall(r"^- `(\w+)`", str(fault), re.MULTILINE) if hasattr(self._config, name)]
        self._held = {name: getattr(self._config, name) for name in names}
        for name in names:
            setattr(self._config, name, None)
        if (fault := self._fault()) is not None:
            raise InputError(
                f"the target's generation_config.json holds what transformers refuses to save "
                f"({fault_words(fault)[:300]}). Mend that file: the trained model gets it."
            ) from fault

    def write(self, folder: Path) -> None:
        """Put what was held back into the file that was saved; nothing where nothing was held."""
        if not self._held:
            return
        whole = copy.deepcopy(self._config)
        for name, value in self._held.items():
            if getattr(whole, name) is None:
                setattr(whole, name, value)
        whole.to_json_file(folder / "generation_config.json")  # type: ignore[union-attr]

    def _fault(self) -> ValueError | None:
        if self._config is None:
            return None
        try:
            with quiet_transformers():
                self._config.validate(strict=True)
        except ValueError as error:
            return error
        return None
