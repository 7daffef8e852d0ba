"""`spice explain`: why a row of the corpus was chosen, rejected or dropped."""

from pathlib import Path
from typing import Annotated

import tyro


def explain(
    run: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")],
    rows: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="ROW")] = (),
    *,
    rejected: int = 0,
    json: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False,
) -> None:
    """Say of any row of the corpus why it was chosen, rejected or dropped, in words.

    A chosen row: its rank, its gain, and how much of that was new: the gain over what the row would have added to no
    picks. A rejected row: how much of its gradient the picks explain, 1 − gᵀ(I + αF)⁻¹g / ‖g‖² (at α = 1 a copy of one
    pick comes to half), which picks explain most, what it would have gained as the next pick and its place among the
    rejected. A dropped row: the reason, what it means, what to do. With a target also where the row stands to it.

    Nothing is computed anew but products of the gradients that the run kept; no model is loaded. A method that takes no
    gradients is explained by its rank and its own numbers, and what is not known is said.

    Examples: `spice explain runs/math 17 208`, `spice explain runs/math train.jsonl:18`,
    `spice explain runs/math 3fa9c1 --json`, `spice explain runs/math --rejected 5`.

    Args:
        run: Run folder.
        rows: Rows: numbers from 0, places (`train.jsonl:18`) or beginnings of a SHA-256, six digits or more.
        rejected: Also explain so many of the rejected rows that came nearest to being chosen.
        json: Print a JSON object a line instead of sentences, for programs.
    """
    from rich.console import Console

    from spice_select.cli.tables.explanations import print_explanations, print_json_lines
    from spice_select.errors import InputError
    from spice_select.run.explaining import Explainer
    from spice_select.run.finished import load

    if not rows and rejected < 1:
        raise InputError("explain which row? Give a row's number, place or SHA-256, or --rejected 5.")
    explainer = Explainer(load(run))
    found = [*map(explainer.of, rows), *explainer.best_rejected(max(0, rejected))]
    if json:
        print_json_lines(found)
    else:
        print_explanations(Console(), explainer, found)
