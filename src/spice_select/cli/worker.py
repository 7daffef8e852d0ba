"""`spice worker`: some parts of a run, on any machine that sees its folder."""

from pathlib import Path
from typing import Annotated

import tyro

from spice_select.errors import InputError
from spice_select.settings.whole_number import whole_number


def worker(
    run: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")],
    *,
    parts: Annotated[str, tyro.conf.arg(metavar="FIRST:END")],
    device: str = "auto",
) -> None:
    """Compute some parts of a run's gradients, for a job of an array or any other process that shares the run's folder.

    The run was begun by `spice select … --engine parts`, which says how many parts are due. This computes those that
    were named and are not there yet, of everything that the run must know of its rows, and ends. It waits for nobody;
    two that do the same part write the same file. When all are there the `spice select` command goes on. Exit codes: 0
    done, 2 bad input (another corpus, model or version than the run's), 1 a fault on our side.

    Examples: `spice worker runs/math --parts 0:64`, `spice worker runs/math --parts 64:128 --device cuda`.

    Args:
        run: Folder of the run.
        parts: Numbers of the parts, from the first up to but without the last, as `0:64`; those beyond the run's last
            part are passed over.
        device: Where they are computed: `auto`, `cpu`, `cuda`, `cuda:1`, `mps`; of the kind that the run has.
    """
    from spice_select.run.share import compute_parts

    shares = []
    for share in compute_parts(run, parts_named(parts), device=device):
        shares.append(share)
        done = f"parts computed {len(share.computed)}, there before {share.there}, in all {share.parts}"
        print(f"{share.what}: {done if share.prepared else 'left out, its warm-up is not there yet'}", flush=True)
    if not shares:
        raise InputError(
            f"{run}: no part is due, for its method takes nothing of its rows that is computed in parts. Let `spice "
            "select … --engine parts` choose: it needs no help."
        )
    if not any(share.prepared for share in shares):
        raise InputError(
            f"{run}: nothing could be computed, for the warm-up that all parts are made with is not there yet. Let "
            "`spice select … --engine parts` end first: it makes it."
        )


def parts_named(text: str) -> range:
    """``0:64`` as numbers. Raises InputError."""
    first, colon, end = text.partition(":")
    least, beyond = whole_number(first), whole_number(end)
    if not colon or least is None or beyond is None or least >= beyond:
        raise InputError(
            f"--parts {text[:80]}: not two numbers with a colon between them, the first lower. Give e.g. 0:64."
        )
    return range(least, beyond)
