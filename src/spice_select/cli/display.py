"""What the terminal shows while work goes on: bars with an ETA, on a terminal only."""

import contextlib
import time
from collections.abc import Iterator

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, ProgressColumn, SpinnerColumn, Task, TextColumn
from rich.progress import Progress as Bars
from rich.text import Text

from spice_select.cli.pace import Pace
from spice_select.progress import Advance
from spice_select.settings.counted import counted


class _Eta(ProgressColumn):
    """Time left at the speed of late, see `Pace`; in the end, the time it took."""

    def render(self, task: Task) -> Text:
        if task.finished:
            return Text(f"in {_clock(task.finished_time or 0.0)}", style="progress.elapsed")
        left = task.fields["pace"].left((task.total or 0) - task.completed)
        return Text("ETA …" if left is None else f"ETA {_clock(left)}", style="progress.remaining")


class TerminalProgress:
    """Progress bars on a terminal; one line at the start and every half minute where the output is a file."""

    def __init__(self, console: Console) -> None:
        self._console = console

    @contextlib.contextmanager
    def task(self, name: str, total: int, unit: str, *, done: int = 0) -> Iterator[Advance]:
        if not self._console.is_terminal:
            with self._lines(name, total, unit, done) as advance:
                yield advance
            return
        columns = (
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[unit]}"),
            _Eta(),
        )
        with Bars(*columns, console=self._console) as bars:
            pace = Pace()
            pace.start()
            task = bars.add_task(name, total=total, completed=done, unit=unit, pace=pace)

            def advance(amount: int) -> None:
                pace.advance(amount)
                bars.advance(task, amount)

            yield advance

    @contextlib.contextmanager
    def _lines(self, name: str, total: int, unit: str, done: int) -> Iterator[Advance]:
        start = last = time.monotonic()
        completed, pace = done, Pace()
        pace.start()
        self.note(f"{name}: {counted(total - done, unit.removesuffix('s'))}")

        def advance(amount: int) -> None:
            nonlocal completed, last
            completed += amount
            pace.advance(amount)
            now = time.monotonic()
            if now - last >= 30 and completed < total:
                last = now
                left = pace.left(total - completed)
                self.note(f"{name}: {completed} of {total} {unit}, ETA {'…' if left is None else _clock(left)}")

        yield advance
        self.note(f"{name}: done in {_clock(time.monotonic() - start)}")

    def note(self, sentence: str) -> None:
        try:
            self._console.print(sentence, style="dim", highlight=False, markup=False)
        except SystemExit as end:  # rich's, when whoever reads has seen enough; it is quiet from here on
            if not isinstance(end.__context__, BrokenPipeError):
                raise


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"
