"""How figures look: colours told apart by the colour-blind, readable on light and on dark."""

from typing import Any

BLUE, VERMILLION, GREEN = "#0072B2", "#D55E00", "#009E73"
ORANGE, SKY, PINK, GREY = "#E69F00", "#56B4E9", "#CC79A7", "#8A8A8A"
GROUP_COLOURS = (BLUE, ORANGE, GREEN, PINK, SKY, VERMILLION)
"""Of Okabe and Ito's palette, those that are seen on white and on black."""
GROUP_SHAPES = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down")
"""As many, so that no two groups differ by colour alone."""

FONT = "system-ui, -apple-system, 'Segoe UI', 'Noto Sans', 'DejaVu Sans', sans-serif"

FIGURE_CONFIG: dict[str, Any] = {
    "background": "transparent",
    "font": FONT,
    "view": {"stroke": None},
    "axis": {
        "labelFontSize": 12,
        "titleFontSize": 12,
        "titleFontWeight": "normal",
        "gridColor": "#d9d9d9",
        "domainColor": "#8a8a8a",
        "tickColor": "#8a8a8a",
        "labelColor": "#333333",
        "titleColor": "#333333",
    },
    "legend": {
        "labelFontSize": 12,
        "titleFontSize": 12,
        "titleFontWeight": "normal",
        "orient": "top",
        "labelColor": "#333333",
        "titleColor": "#333333",
        "labelLimit": 160,
        "symbolOpacity": 1,
    },
    "text": {"color": "#333333"},
}
"""Of all figures. The page's own style sheet sets other colours of axes and words where it is dark."""
