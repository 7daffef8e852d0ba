"""Which row kills is found by trying, and nothing else is lost or moved on the way."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spice_select.errors import SpiceError
from spice_select.executors.cluster.pieces import DEATHS, Piece, Pieces

PLAN = {0: [[0, 1], [2, 3, 4]], 1: [[5]], 2: [[6, 7, 8, 9]]}


def carried_out(killers: set[int], plan=PLAN, luck: Sequence[bool] = ()) -> tuple[dict[int, Piece], Pieces, int]:
    """What is computed of each part where some rows kill, and by chance some tries too; and how many workers died."""
    pieces, done, deaths = Pieces(plan, plan.__getitem__, lambda sentence: None), {}, 0
    chances = iter(luck)
    while (piece := pieces.take()) is not None:
        rows = {row for batch in (plan[piece.part] if piece.batches is None else piece.batches) for row in batch}
        if rows & killers or next(chances, False):
            deaths += 1
            pieces.killed(piece)
        elif piece.keep:
            done[piece.part] = piece
        else:
            pieces.survived(piece)
    return done, pieces, deaths


def test_without_deaths_every_part_is_computed_as_planned() -> None:
    done, pieces, deaths = carried_out(set())
    assert {part: piece.batches for part, piece in done.items()} == dict.fromkeys(PLAN)
    assert (pieces.dropped, deaths) == ([], 0)


def test_a_row_that_kills_is_found_and_its_part_computed_without_it() -> None:
    done, pieces, deaths = carried_out({3})
    assert done[0].batches == [[0, 1], [2], [4]]
    assert done[1].batches is done[2].batches is None
    assert pieces.dropped == [(0, 3)]
    assert deaths == 3 * DEATHS


def test_a_part_of_one_row_that_kills_is_left_empty() -> None:
    done, pieces, _ = carried_out({5})
    assert done[1].batches == []
    assert pieces.dropped == [(1, 5)]


@given(st.sets(st.integers(0, 9)))
def test_whatever_kills_alone_is_dropped_and_nothing_else(killers: set[int]) -> None:
    done, pieces, _ = carried_out(killers)
    assert {row for _, row in pieces.dropped} == killers
    for part, piece in done.items():
        planned = [row for batch in PLAN[part] for row in batch]
        computed = planned if piece.batches is None else [row for batch in piece.batches for row in batch]
        assert computed == [row for row in planned if row not in killers]


@given(st.lists(st.booleans(), max_size=2))
def test_two_deaths_by_chance_divide_nothing(luck: list[bool]) -> None:
    done, _, _ = carried_out(set(), luck=luck)
    assert {part: piece.batches for part, piece in done.items()} == dict.fromkeys(PLAN)


def test_three_deaths_by_chance_leave_the_batches_as_they_were_planned() -> None:
    done, _, _ = carried_out(set(), {0: PLAN[0]}, luck=[True] * DEATHS)
    assert done[0].batches == PLAN[0]


def test_a_part_that_kills_although_no_row_of_it_does_ends_the_run() -> None:
    pieces = Pieces([0], PLAN.__getitem__, lambda sentence: None)
    with pytest.raises(SpiceError, match="each of its rows was computed alone"):
        while (piece := pieces.take()) is not None:
            pieces.killed(piece) if piece.keep else pieces.survived(piece)
