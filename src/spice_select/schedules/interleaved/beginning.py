"""What is known of all rows before the proxy moves: the features that a method needs beside gradients."""

from collections.abc import Mapping

from spice_select.data.records import Drop, Sample
from spice_select.features import usable_together
from spice_select.features.proxy import Proxy
from spice_select.methods import Method
from spice_select.methods.base import GRADIENTS
from spice_select.progress import Progress
from spice_select.progress.clock import Clock
from spice_select.run.folder import RunFolder
from spice_select.run.outcome import refuse_empty
from spice_select.run.parts import parts_of_feature
from spice_select.run.settings import SelectSettings
from spice_select.store import FeatureBlock


def known_before(
    method: Method,
    run: RunFolder,
    examples: Mapping[int, Sample],
    settings: SelectSettings,
    proxy: Proxy,
    progress: Progress,
    clock: Clock,
) -> tuple[dict[str, FeatureBlock], list[Drop]]:
    """Features of the examples at the proxy as it came, in parts on disk, and the rows that it has no numbers for.

    Nothing, at no cost, for a method that needs gradients alone. Raises InputError where no row is left.
    """
    blocks = dict[str, FeatureBlock]()
    for name in method.needs():
        if name == GRADIENTS:
            continue
        parts = parts_of_feature(name, run.path, run.identity, list(examples.values()), settings, proxy, progress)
        with clock(name):
            blocks[name] = parts.store.read(parts.compute())
    sound, unusable = usable_together(blocks)
    refuse_empty(len(examples) - len(unusable), unusable)
    return sound, unusable
