"""The time left follows the speed over minutes: true where that is steady, and never leaping where it is not."""

import random

import pytest
from rich.console import Console

from spice_select.cli import display
from spice_select.cli.display import TerminalProgress
from spice_select.cli.pace import Pace

TOTAL = 500_000.0


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Work:
    """Work in uneven lumps under a pace, and what it told after each lump."""

    def __init__(self, lump: float, seed: int) -> None:
        self.clock, self.draw, self.lump, self.done = Clock(), random.Random(seed), lump, 0.0
        self.pace = Pace(clock=self.clock)
        self.pace.start()
        self.told: list[tuple[float, float]] = []  # seconds, and the speed reckoned with

    def at(self, speed: float, seconds: float) -> None:
        end = self.clock.now + seconds
        while self.clock.now < end:
            amount = self.lump * self.draw.uniform(0.3, 1.7)
            self.report(amount, amount / (speed * self.draw.uniform(0.85, 1.15)))

    def report(self, amount: float, seconds: float) -> None:
        self.clock.now += seconds
        self.pace.advance(amount)
        self.done += amount
        self.told.append((self.clock.now, TOTAL / (self.left(TOTAL) or float("nan"))))

    def left(self, amount: float) -> float | None:
        return self.pace.left(amount)

    def leaps(self, *, since: float = 60.0) -> tuple[float, float]:
        """Most by which the speed rose, and fell, within a minute or from one report to the next."""
        up = down = 1.0
        told = [(when, speed) for when, speed in self.told if when >= 1000.0 + since]
        for i, (when, speed) in enumerate(told):
            for j, (later, other) in enumerate(told[i + 1 :]):
                if j and later - when > 60:
                    break
                up, down = max(up, other / speed), max(down, speed / other)
        return up, down


@pytest.mark.parametrize("lump", [50, 400, 2048], ids=lambda lump: f"{lump}-token-batches")
@pytest.mark.parametrize(("change", "minutes"), [(0.1, 12), (1 / 3, 5), (0.5, 4), (1.0, 1), (3.0, 5), (8.0, 5)])
@pytest.mark.parametrize("seed", range(3))
def test_a_speed_that_has_changed_for_good_is_met_within_minutes(lump, change, minutes, seed) -> None:
    work = Work(lump, seed)
    work.at(300.0, 600)
    work.at(300.0 * change, 60 * minutes)
    assert work.left(TOTAL) == pytest.approx(TOTAL / (300.0 * change), rel=0.25)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("lump", [50, 400, 2048])
def test_beside_other_work_the_time_left_does_not_leap(lump, seed) -> None:
    """Speeds that change by up to sixteenfold every few seconds; lumps that take a second or a minute."""
    work = Work(lump, seed)
    while work.clock.now < 1000 + 1800:
        work.at(300.0 * 2 ** work.draw.uniform(-3, 1), work.draw.uniform(5, 40))
    mean = work.done / (work.clock.now - 1000)
    up, down = work.leaps(since=180)
    assert up < 2.72
    assert down < 1.41
    late = [speed for when, speed in work.told if when > 1000 + 600]
    assert min(late) > mean / 3
    assert max(late) < mean * 3


@pytest.mark.parametrize("seconds", [90, 600, 8 * 3600])
def test_a_stall_or_a_machine_that_slept_moves_the_time_left_little(seconds) -> None:
    work = Work(400, 0)
    work.at(300.0, 300)
    before = work.left(TOTAL)
    work.clock.now += seconds
    assert work.left(TOTAL) == pytest.approx(before, rel=0.01)  # nothing comes: it stands still
    work.report(400, 0.1)
    assert before < work.left(TOTAL) < 1.4 * before
    work.at(300.0, 240)
    assert work.left(TOTAL) == pytest.approx(TOTAL / 300, rel=0.1)


@pytest.mark.parametrize("parts", [1, 5, 200])
def test_parts_that_were_there_already_are_no_speed(parts) -> None:
    fresh, resumed = Work(400, 1), Work(400, 1)
    for _ in range(parts):
        resumed.report(20_000, 0.004)
    resumed.report(400, 1.3)
    resumed.at(300.0, 20)
    fresh.report(400, 1.3)
    fresh.at(300.0, 20)
    assert resumed.left(TOTAL) == pytest.approx(fresh.left(TOTAL), rel=0.1)
    before = resumed.left(TOTAL)
    for _ in range(parts):
        resumed.report(20_000, 0.004)  # in the middle, too
    assert resumed.left(TOTAL) == pytest.approx(before, rel=0.3)  # for 0.8 seconds in which two hundred came


def test_a_slow_first_batch_is_forgotten_soon() -> None:
    work = Work(400, 2)
    work.report(400, 30)
    work.at(300.0, 120)
    assert work.left(TOTAL) == pytest.approx(TOTAL / 300, rel=0.3)


def test_batches_of_minutes_are_taken_at_their_word() -> None:
    work = Work(2048, 3)
    for _ in range(5):
        work.report(2048, 150)
    assert work.left(TOTAL) == pytest.approx(TOTAL * 150 / 2048, rel=0.01)


def test_nothing_is_known_before_something_was_done() -> None:
    clock = Clock()
    pace = Pace(clock=clock)
    pace.start()
    assert pace.left(10) is None
    pace.advance(5)  # in no time
    assert pace.left(10) is None
    clock.now += 2
    pace.advance(1)
    assert pace.left(10) == pytest.approx(20)


def test_time_that_passes_without_a_report_is_taken_off_until_one_is_due() -> None:
    clock = Clock()
    pace = Pace(clock=clock)
    pace.start()
    clock.now += 5
    pace.advance(10)
    clock.now += 3
    assert pace.left(20) == pytest.approx(7)
    clock.now += 300
    assert pace.left(20) == pytest.approx(5)
    assert pace.left(5) == 0.0


def test_the_lines_of_a_log_use_it(monkeypatch) -> None:
    clock = Clock()
    monkeypatch.setattr(display.time, "monotonic", clock)
    monkeypatch.setattr(display, "Pace", lambda: Pace(clock=clock))
    console = Console(record=True, width=100, force_terminal=False)
    with TerminalProgress(console).task("Gradients", 100_000, "tokens", done=1000) as advance:
        for _ in range(60):
            clock.now += 10
            advance(1000)  # 100 tokens a second for ten minutes
        for _ in range(60):
            clock.now += 10
            advance(100)  # a tenth of that for ten
    last = [line for line in console.export_text().splitlines() if "ETA" in line][-1]
    *hours, minutes, seconds = (int(part) for part in last.rsplit("ETA ", 1)[1].split(":"))
    left = 100_000 - 1000 - 60_000 - 60 * 100
    assert sum(hours) * 3600 + minutes * 60 + seconds == pytest.approx(left / 10, rel=0.2)
