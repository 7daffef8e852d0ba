"""What is written of a run is columns: no vector of a pick is copied for it."""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from spice_select.data.records import Row
from spice_select.methods import Candidates, Choice
from spice_select.run.files import SELECTION, write_selection
from spice_select.run.folder import RunFolder
from spice_select.run.outcome import Outcome
from spice_select.run.summary import _mix
from spice_select.selection import Stats, Stop
from spice_select.store import FeatureBlock

ROWS = np.arange(5)


def candidates() -> Candidates:
    """Five rows whose vectors are longer than any memory, were they copied."""
    columns = {"loss": ROWS * 1.0, "norm": ROWS * 2.0, "tokens": ROWS + 3, "supervised": ROWS + 1}
    endless = np.broadcast_to(np.float32(0), (5, 10**13))
    block = FeatureBlock(rows=ROWS, columns=columns, finite=np.ones(5, bool), features=endless)
    return Candidates.of_gradients(block, normalise="none", sources=["a", "b", "b", "", "b"])


def test_the_selection_is_written_without_the_vectors_of_the_picks(tmp_path: Path) -> None:
    choice = Choice(
        indices=np.array([4, 1]),
        columns={},
        pools=np.zeros(2, np.int64),
        stop=Stop(reason="budget", sentence=""),
        stats=Stats(path="naive"),
    )
    rows = [Row(number, {"prompt": str(number)}, "") for number in range(5)]
    write_selection(RunFolder(tmp_path), rows, Outcome(candidates=candidates(), choice=choice, judged=None))
    table = pq.read_table(tmp_path / SELECTION).to_pydict()
    assert (table["row"], table["loss"], table["gradient_norm"]) == ([4, 1], [4.0, 1.0], [8.0, 2.0])


def test_sources_are_counted_by_rows_and_tokens_before_and_after() -> None:
    mix = _mix(candidates(), np.array([4, 1]))
    found = [(one.source, one.rows, one.tokens, one.chosen_rows, one.chosen_tokens) for one in mix]
    assert found == [("b", 3, 2 + 3 + 5, 2, 7), ("a", 1, 1, 0, 0), ("", 1, 4, 0, 0)]
