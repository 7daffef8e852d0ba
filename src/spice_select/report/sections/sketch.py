"""How far the sketched gradients can be trusted."""

from typing import Any

from spice_select.errors import InputError
from spice_select.report.material import RunMaterial, filled, untold_section
from spice_select.report.page import Cell, Grid, Heading, Section
from spice_select.run.files import FIDELITY
from spice_select.run.folder import RunFolder

_NAME, _TITLE = "sketch", "How faithful is the sketch?"
_FACTS = {
    "relative_error": "error of an inner product, as a share of its size",
    "norm_error": "error of a gradient's length",
    "cosine_error": "error of a cosine",
    "cosine_spread": "… where exact cosines are of this size",
    "sign_flips": "share of pairs of rows whose cosine changes sign",
    "mean_sign_flips": "share of rows whose cosine with the mean of the others changes sign",
}


def sketch_section(material: RunMaterial) -> Section:
    """Exact against sketched geometry on a few rows of the corpus itself."""
    judged = material.summary.judged
    if judged is None:
        why = f"--method {material.summary.method} takes no gradients, so none is sketched."
        return untold_section(_NAME, _TITLE, why)
    if not judged.sketch:
        why = "No check was made: gradients are kept whole, or too few rows have one."
        return untold_section(_NAME, _TITLE, why)
    found = _found(material)
    if found is None:
        why = f"{judged.sketch}: {judged.sign_flips:.1%} of the cosines between rows change sign; its check is gone."
        return untold_section(_NAME, _TITLE, why)
    grid = Grid(
        name="fidelity",
        caption=f"{judged.sketch}, exact against sketched on {found['rows']} rows drawn from the pool.",
        columns=[Heading(title="what"), Heading(title="how much", number=True)],
        rows=[[Cell(what), _share(found[name])] for name, what in _FACTS.items()],
    )
    return Section(name=_NAME, title=_TITLE, body=filled("one_grid.html", one=grid, warning=str(found["warning"])))


def _share(value: float | None) -> Cell:
    return Cell("–") if value is None else Cell(f"{float(value):.1%}", float(value))


def _found(material: RunMaterial) -> dict[str, Any] | None:
    """The check that the run kept; None where it is gone or damaged."""
    try:
        found = RunFolder(material.run.path).read_json(FIDELITY)
    except InputError:
        return None
    return found if isinstance(found, dict) and {*_FACTS, "rows", "warning"} <= found.keys() else None
