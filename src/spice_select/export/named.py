"""How configurations and scripts name the model to train: by name and, of one from the hub, by revision."""

import json
from typing import Literal

from spice_select.export.base import Origin

_KEYS = {"llamafactory": ("model_name_or_path", "model_revision"), "axolotl": ("base_model", "revision_of_model")}


def named_in_yaml(origin: Origin, trainer: Literal["llamafactory", "axolotl"]) -> str:
    """The lines of a configuration that name it."""
    model, revision = _KEYS[trainer]
    line = f"{model}: {json.dumps(origin.model)}  # the model to train{origin.place}"
    return line if origin.revision is None else f"{line}\n{revision}: {json.dumps(origin.revision)}"


def argument_of_script(origin: Origin) -> str:
    """The line of a script that takes its name."""
    return f'parser.add_argument("model", nargs="?", default={origin.model!r})  # the model to train{origin.place}'


def revision_in_script(origin: Origin) -> str:
    """A line of a script's configuration, or nothing; another model than the exported one has other revisions."""
    if origin.revision is None:
        return ""
    at = json.dumps({"revision": origin.revision}, ensure_ascii=False)
    return f"    model_init_kwargs={at} if given.model == {origin.model!r} else None,\n"
