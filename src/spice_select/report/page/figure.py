"""A figure: a Vega-Lite specification with its data, and what it shows in words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spice_select.report.page.looks import FIGURE_CONFIG
from spice_select.report.page.texts import inert
from spice_select.store import atomic, write_text

if TYPE_CHECKING:
    import altair

DATA = "rows"
"""What a chart calls its data: `altair.NamedData(DATA)`."""
_WIDTH = 640  # of an image; on a page a figure is as wide as it may be


@dataclass(frozen=True, kw_only=True)
class PlotFigure:
    """A figure of a page.

    Attributes:
        name: its file name and its anchor, without an ending.
        title: its heading.
        words: what there is to see, for those who cannot.
        note: what was left out, drawn or summed up; "" where all there is is shown.
        chart: an altair chart of the data called `DATA`.
        rows: that data, one record each.
        height: in pixels.
        square: whether it is about as wide as high, however wide the page.
    """

    name: str
    title: str
    words: str
    note: str = ""
    chart: "altair.TopLevelMixin"
    rows: Sequence[Mapping[str, Any]]
    height: int = 280
    square: bool = False

    @cached_property
    def spec(self) -> dict[str, Any]:
        """The Vega-Lite specification, as wide as the page lets it be. Text from data in it is inert."""
        return self._of_width("container")

    def _of_width(self, width: int | str, **looks: Any) -> dict[str, Any]:
        # data stay out of altair's way: it would check each record by its schema
        spec: dict[str, Any] = self.chart.to_dict(validate=True)
        size = {"width": width, "height": self.height, "autosize": {"type": "fit", "contains": "padding"}}
        own = spec.get("datasets", {})  # altair moves the data of single layers there
        known = {
            "config": {**FIGURE_CONFIG, **looks},
            "description": self.words,
            "datasets": {**own, DATA: list(self.rows)},
        }
        return {**spec, **size, **inert(known)}

    @property
    def _image(self) -> dict[str, Any]:
        return self._of_width(_WIDTH, background="white")

    def svg(self) -> str:
        """The figure as an SVG image, drawn without a browser; white, for nobody knows what it will lie on."""
        import vl_convert

        return str(vl_convert.vegalite_to_svg(self._image))

    def png(self) -> bytes:
        """The figure as a PNG image of twice the pixels, white too."""
        import vl_convert

        return bytes(vl_convert.vegalite_to_png(self._image, scale=2))


def write_images(figures: Sequence[PlotFigure], folder: Path) -> list[Path]:
    """Write each figure as PNG and SVG into a folder, made if absent. Raises InputError where it cannot be written."""
    written = []
    for figure in figures:
        written += [folder / f"{figure.name}.svg", folder / f"{figure.name}.png"]
        write_text(written[-2], figure.svg())
        with atomic(written[-1]) as aside:
            aside.write_bytes(figure.png())
    return written
