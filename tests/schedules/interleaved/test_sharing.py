"""A moving proxy that several processes share: orders, and an update whose bits do not depend on who computed it."""

from functools import partial
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from spice_select.run.settings import SelectSettings
from spice_select.schedules.interleaved.bench import Bench, PieceWork
from spice_select.schedules.interleaved.moving import Checkpoints
from spice_select.schedules.interleaved.orders import Board, GradientOrder, PartOrder, UpdateOrder
from spice_select.schedules.interleaved.steps import ProxyTrainer, StepPiece, StepRecipe, tree_sum
from spice_select.schedules.interleaved.worker import Follower, due
from spice_select.testing.engine import sample_batch
from tests.gradients.pair_cases import pair_batch
from tests.schedules.interleaved.test_steps import parameters, trainer


def cut_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spice_select.schedules.interleaved.steps._SHORTEST", 8)


@pytest.mark.parametrize("kind", ["answers", "pairs"])
@pytest.mark.parametrize("processes", [1, 2, 4])
def test_an_update_has_the_same_bits_whoever_computes_its_pieces(
    processes: int, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut_small(monkeypatch)
    make = partial(trainer, dropout=0.3, seed=5)
    alone, crew = make(), [make() for _ in range(processes)]
    rows = [*pair_batch(0), *pair_batch(1)] if kind == "pairs" else [*sample_batch(0), *sample_batch(1)]
    known = dict(enumerate(rows))
    numbers = {id(row): number for number, row in known.items()}
    for cycle in range(3):
        alone.step(rows)
        benches = [Bench(tmp_path, {}, known, SelectSettings(), lambda _, one=one: one) for one in crew]
        cut = crew[0].cut(rows)
        order = UpdateOrder(
            cycle=cycle,
            supervised=len(rows) if kind == "pairs" else sum(row.num_supervised for row in rows),
            pieces=[[numbers[id(row)] for row in piece] for piece in cut],
        )
        assert len(cut) >= 4
        works = [PieceWork(order=order, bench=bench) for bench in benches]
        for place in reversed(range(len(cut))):
            assert not works[0].is_finished(place)
            works[place % processes].open()(place)
            assert works[0].is_finished(place)
        for one in crew:
            one.step(rows, lambda *_: (works[0].read(place) for place in range(len(cut))))  # noqa: B023
    for one in crew:
        assert {name: value.tolist() for name, value in parameters(one).items()} == {
            name: value.tolist() for name, value in parameters(alone).items()
        }


def test_a_piece_of_another_state_or_of_other_rows_does_not_count(tmp_path: Path) -> None:
    known, one = dict(enumerate(sample_batch(0))), trainer()
    bench = Bench(tmp_path, {}, known, SelectSettings(), lambda cycle: one)
    work = PieceWork(order=UpdateOrder(cycle=0, supervised=9, pieces=[[0, 1]]), bench=bench)
    work.open()(0)
    assert work.is_finished(0)
    other_rows = PieceWork(order=UpdateOrder(cycle=0, supervised=9, pieces=[[1, 0]]), bench=bench)
    assert not other_rows.is_finished(0)
    another_run = PieceWork(order=work.order, bench=Bench(tmp_path, {"seed": 1}, known, SelectSettings(), bench.at))
    assert not another_run.is_finished(0)
    file = next(tmp_path.rglob("piece-*.safetensors"))
    file.write_bytes(file.read_bytes()[:-1])
    assert not work.is_finished(0)


def test_pieces_have_dropouts_of_their_own() -> None:
    one, rows = trainer(dropout=0.5), sample_batch(0)
    with torch.no_grad():
        for name, value in one.model.named_parameters():
            if "lora_B" in name:
                value.fill_(0.1)
    losses = [one.piece(rows, 10, number).loss for number in (0, 1, 0)]
    assert losses[0] == losses[2] != losses[1]


@given(st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=40))
def test_the_tree_sums_everything_once_and_its_shape_is_that_of_their_number(numbers: list[float]) -> None:
    def named(number: int) -> StepPiece:
        return StepPiece(numbers[number], {"w": torch.tensor([numbers[number], 1.0])})

    total = tree_sum(named(number) for number in range(len(numbers)))
    assert total.gradient["w"][1] == len(numbers)
    assert total.loss == pytest.approx(sum(numbers), abs=1e-6 * sum(map(abs, numbers)))
    assert torch.equal(total.gradient["w"][0], by_halves([torch.tensor(one) for one in numbers]))


def by_halves(values: list[torch.Tensor]) -> torch.Tensor:
    """The definition: the largest power of two of them, which splits into halves, and the sum of the rest."""
    if len(values) == 1:
        return values[0]
    left = 1 << ((len(values) - 1).bit_length() - 1)
    return by_halves(values[:left]) + by_halves(values[left:])


def test_long_steps_are_cut_into_pieces_and_short_ones_are_not() -> None:
    rows = sample_batch(0)
    assert len(trainer().cut(rows)) == 1
    long = [row for _ in range(400) for row in rows]
    many = trainer(batch_tokens=10**6).cut(long)
    assert 8 <= len(many) <= 10
    assert sorted(id(row) for piece in many for row in piece) == sorted(map(id, long))


def test_the_newest_order_takes_the_place_of_the_one_before(tmp_path: Path) -> None:
    board = Board(tmp_path / "orders")
    assert board.newest() is None
    orders = [
        GradientOrder(cycle=3, parts=[PartOrder(epoch=None, number=4, batches=[[7, 1], [2]])]),
        UpdateOrder(cycle=3, supervised=12, pieces=[[7], [2]]),
        GradientOrder(cycle=4, parts=[PartOrder(epoch=0, number=0, batches=[[5]])]),
    ]
    seen = []
    for order in orders:
        board.put(order)
        found = board.newest()
        assert found is not None
        assert found[1] == order
        seen.append(found[0])
    assert all(one < other for one, other in pairwise(seen))
    assert len(list(tmp_path.rglob("*.json"))) == 1


def test_a_step_is_made_of_what_it_is_given() -> None:
    """Whatever the pieces say is what the optimiser gets: nothing is computed again beside them."""
    one = ProxyTrainer(trainer().model, StepRecipe(), total_steps=10, batch_tokens=1000)
    names = [name for name, value in one.model.named_parameters() if value.requires_grad]
    values = dict(one.model.named_parameters())
    made = one.step(
        sample_batch(0), lambda *_: [StepPiece(2.0, {name: torch.ones_like(values[name]) for name in names})]
    )
    assert made.loss == 2.0
    assert made.gradient_norm == pytest.approx(sum(values[name].numel() for name in names) ** 0.5, rel=1e-5)


def test_a_state_just_written_stays_whatever_later_ones_lie_there(tmp_path: Path) -> None:
    states = Checkpoints(tmp_path)
    for cycle in (4, 5, 1, 2, 3):  # trained to the fifth update, then anew from the first
        states.save(cycle, {"parameter:a": torch.zeros(1)}, [])
        assert states.newest(99) == cycle
    assert sorted(path.name for path in tmp_path.glob("*.safetensors")) == [
        "cycle-00002.safetensors",
        "cycle-00003.safetensors",
    ]


def test_an_order_waits_for_its_state(tmp_path: Path) -> None:
    board, states = Board(tmp_path / "orders"), Checkpoints(tmp_path / "states")
    proxy = Follower(SelectSettings(), None, states)
    assert due(board, -1, proxy) is None
    board.put(GradientOrder(cycle=1, parts=[]))
    assert due(board, -1, proxy) is None
    states.save(1, {"parameter:a": torch.zeros(1)}, [])
    assert due(board, -1, proxy) == (0, GradientOrder(cycle=1, parts=[]))
    assert due(board, 0, proxy) is None
