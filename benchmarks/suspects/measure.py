"""Found against planted: area under the curve of the scores, precision and recall of the list."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from spice_select.diagnosis.suspects import Found


def auc(scores: NDArray[np.float64], planted: NDArray[np.bool_]) -> float:
    """Chance that a planted row scores above another one, ties counted half."""
    order = np.sort(scores)
    ranks = (np.searchsorted(order, scores, "left") + np.searchsorted(order, scores, "right") + 1) / 2
    count = int(planted.sum())
    return float((ranks[planted].sum() - count * (count + 1) / 2) / (count * (len(scores) - count)))


def judged(found: Found, rows: int, planted: frozenset[int]) -> dict[str, Any]:
    """What a kind's list is worth; NaN becomes None."""
    listed = {suspect.row for suspect in found.suspects}
    hits, truth = len(listed & planted), np.isin(np.arange(rows), list(planted))
    known = found.scores is not None and 0 < len(planted) < rows
    return {
        "rows": rows,
        "planted": len(planted),
        "listed": len(listed),
        "auc": round(auc(np.asarray(found.scores), truth), 4) if known else None,
        "precision": round(hits / len(listed), 4) if listed else None,
        "recall": round(hits / len(planted), 4) if planted else None,
        "false_positive_rate": round((len(listed) - hits) / (rows - len(planted)), 4),
    }


def markdown(results: dict[str, Any]) -> str:
    """One line a bed and kind."""
    lines = [
        "| planted | kind | known of a row | rows | planted | listed | AUC | precision | recall | false positives |",
        "|---" * 10 + "|",
    ]
    for bed in results["beds"]:
        cells = [
            bed["bed"],
            f"`{bed['kind']}`",
            bed["known"],
            *(f"{bed[key]}" for key in ("rows", "planted", "listed")),
        ]
        cells += ["–" if bed["auc"] is None else f"{bed['auc']:.3f}"]
        cells += ["–" if bed[key] is None else f"{bed[key]:.0%}" for key in ("precision", "recall")]
        cells += [f"{bed['false_positive_rate']:.1%}"]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"
