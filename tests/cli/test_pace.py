"""The time left is true within a fifth after a minute, also when the speed changes."""

import random

import pytest
from rich.console import Console

from spice_select.cli import display
from spice_select.cli.display import TerminalProgress
from spice_select.pace import Pace


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def work(pace: Pace, clock: Clock, speed: float, seconds: float, lump: float, draw: random.Random) -> float:
    """Work at a speed for some seconds, in uneven lumps; returns the amount done."""
    done, end = 0.0, clock.now + seconds
    while clock.now < end:
        amount = lump * draw.uniform(0.3, 1.7)
        clock.now += amount / (speed * draw.uniform(0.85, 1.15))
        pace.advance(amount)
        done += amount
    return done


@pytest.mark.parametrize("lump", [50, 400, 2048], ids=lambda lump: f"{lump}-token-batches")
@pytest.mark.parametrize("change", [0.2, 0.5, 1.0, 3.0, 8.0])
@pytest.mark.parametrize("seed", range(4))
def test_a_minute_after_the_speed_changed_the_time_left_is_true_within_a_fifth(lump, change, seed) -> None:
    clock, draw, speed, left = Clock(), random.Random(seed), 300.0, 500_000.0
    pace = Pace(clock=clock)
    pace.start()
    work(pace, clock, speed, 600, lump, draw)
    work(pace, clock, speed * change, 60, lump, draw)
    truth = left / (speed * change)
    assert pace.left(left) == pytest.approx(truth, rel=0.2)


def test_the_mean_since_the_start_would_not_be() -> None:
    """What it replaces: after ten minutes at one speed, a minute at a third of it hardly shows."""
    assert pytest.approx(300 / 3, rel=0.2) != (600 * 300 + 60 * 100) / 660


def test_nothing_is_known_before_something_was_done() -> None:
    clock = Clock()
    pace = Pace(clock=clock)
    pace.start()
    assert pace.left(10) is None
    clock.now += 2
    pace.advance(1)
    assert pace.left(10) == pytest.approx(20)


def test_time_that_passes_without_a_report_is_taken_off_and_never_negative() -> None:
    clock = Clock()
    pace = Pace(clock=clock)
    pace.start()
    clock.now += 5
    pace.advance(10)
    clock.now += 3
    assert pace.left(10) == pytest.approx(2)
    clock.now += 30
    assert pace.left(10) == 0.0


def test_the_lines_of_a_log_use_it(monkeypatch) -> None:
    clock = Clock()
    monkeypatch.setattr(display.time, "monotonic", clock)
    monkeypatch.setattr(display, "Pace", lambda: Pace(clock=clock))
    console = Console(record=True, width=100, force_terminal=False)
    with TerminalProgress(console).task("Gradients", 100_000, "tokens", done=1000) as advance:
        for _ in range(60):
            clock.now += 10
            advance(1000)  # 100 tokens a second for ten minutes
        for _ in range(6):
            clock.now += 10
            advance(100)  # a tenth of that for one
    last = [line for line in console.export_text().splitlines() if "ETA" in line][-1]
    *hours, minutes, seconds = (int(part) for part in last.rsplit("ETA ", 1)[1].split(":"))
    left = 100_000 - 1000 - 60_000 - 6 * 100
    assert sum(hours) * 3600 + minutes * 60 + seconds == pytest.approx(left / 10, rel=0.2)
