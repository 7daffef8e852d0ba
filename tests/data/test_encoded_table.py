"""Encoded rows on disk are the rows that were put there, whatever is asked of them."""

from dataclasses import fields, replace

import numpy as np

from spice_select.data.encoding.table import ExampleTable
from spice_select.data.records import Example
from spice_select.testing.engine import sample_batch


def test_every_field_of_an_example_comes_back() -> None:
    put = [
        Example(
            row=3,
            input_ids=np.array([5, 6, 7], np.int32),
            supervised=np.array([False, True, True]),
            source="math",
            content_hash="ab" * 32,
            truncated=4,
            remarks=("reasoning-dropped",),
            label=False,
        ),
        *(replace(row, content_hash="00" * 32) for row in sample_batch(0)),
    ]
    table = ExampleTable()
    for example in put:
        table.append(example)
    assert len(table) == len(put)
    for stored, example in [*zip(table, put, strict=True), *zip(table[::-1], put[::-1], strict=True)]:
        for one in fields(Example):
            assert np.array_equal(getattr(stored, one.name), getattr(example, one.name)), one.name
        assert stored.sign == example.sign
        assert stored.num_supervised == example.num_supervised
