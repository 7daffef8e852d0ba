"""Where the parts of a run lie, written down in its folder: whoever opens the folder finds them."""

import json
from pathlib import Path

from spice_select.errors import InputError
from spice_select.store import write_json
from spice_select.store.objects import JOURNAL

STORE = "store.json"


def address_of(run: Path) -> str | None:
    """The address of a run's parts; None where they lie in its folder. Raises InputError: the file is damaged."""
    path = run / STORE
    if not path.is_file():
        return None
    try:
        address: str = json.loads(path.read_text(encoding="utf-8"))["address"]
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{path} is damaged ({error}). Write into it where the parts lie, or give another --out."
        ) from error
    return address


def keep_address(run: Path, asked: str | None) -> None:
    """Write down where the parts of a run are to lie, before the first is computed.

    Raises:
        InputError: some of them lie elsewhere already: no run is half here and half there.
    """
    known, asked = address_of(run), None if asked is None else _from_anywhere(asked)
    if known == asked:
        return
    there = next(run.rglob("part-*.parquet"), None)
    if known is None and there is not None:
        raise InputError(
            f"--store {asked}: parts of this run lie in its own folder already ({there}). Leave --store out, or give "
            "another --out."
        )
    if known is not None and next(run.rglob(JOURNAL), None) is not None:
        now = "no --store was given" if asked is None else f"--store says {asked}"
        raise InputError(f"{run}: parts of this run lie at {known}, and {now}. Give --store {known}, or another --out.")
    if asked is None:
        (run / STORE).unlink()
    else:
        write_json(run / STORE, {"address": asked})


def _from_anywhere(address: str) -> str:
    """A path by its whole, any other address as it is."""
    return address if "://" in address else str(Path(address).expanduser().resolve())
