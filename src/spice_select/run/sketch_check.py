"""The check of a run's sketch, on disk: measured once, and known by the gradients that it was measured on."""

from collections.abc import Callable
from dataclasses import asdict

from spice_select.errors import InputError
from spice_select.gradients.fidelity import Fidelity
from spice_select.run import files as outputs
from spice_select.run.folder import RunFolder


def checked_sketch(run: RunFolder, origin: str, sketch: str, measure: Callable[[], Fidelity | None]) -> Fidelity | None:
    """The fidelity that the run has found already, else measured and kept; None where there is no sketch to judge.

    Args:
        run: where it is kept.
        origin: of the run's gradients; a check of others, or a damaged one, is made again.
        sketch: its name in the settings.
        measure: measures it; None where there are too few rows.
    """
    if sketch == "identity":
        return None
    known = _known(run, origin)
    if known is None:
        known = measure()
        if known is not None:
            run.write_json(outputs.FIDELITY, {"origin": origin, **asdict(known)})
    return known


def _known(run: RunFolder, origin: str) -> Fidelity | None:
    try:
        content = run.read_json(outputs.FIDELITY)
    except InputError:
        return None
    if not isinstance(content, dict) or content.pop("origin", None) != origin:
        return None
    try:
        return Fidelity(**content)
    except TypeError:
        return None
