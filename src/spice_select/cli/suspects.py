"""`spice suspects`: the rows of a run to look at before a model is trained on them."""

from pathlib import Path
from typing import Annotated

import tyro


def suspects(
    run: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")],
    *,
    unprompted: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False,
    learnability: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False,
    rows: int = 3,
) -> None:
    """List the rows of a run that give reason to doubt them, each with the reason in words; nothing is dropped.

    Looks at every row that the run could choose from, chosen or not. Kinds: `duplicate` and `near-duplicate` repeat an
    earlier row, which is kept; `cut` rows are longer than the window; `refusal`: the answer begins with a boilerplate
    refusal (English); `mismatched`: the answer does not seem to belong to its question, by the losses that the run
    kept, and far more surely with `--unprompted`; `contradiction`: pairs that ask the same and are answered quite
    differently; `unlearnable`, with `--learnability`: training on other rows does not help. A suspect is a row to look
    at, not a row that is wrong.

    Of preference pairs, by their texts alone: repeats and `cut` as above, the words being those of the prompt and both
    answers; `refusal` of the chosen answer; `alike-answers`, which say nearly the same; `contradiction`: pairs that
    prefer what another pair of their prompt rejects, nearly or in other case.

    Writes suspects.jsonl into the run's folder: a line a suspect with row number, kind, score, reason, partner rows
    and the record. When you have looked: `spice select … --without-suspects KIND …` leaves kinds out of the choice.

    Examples: `spice suspects runs/math`, `spice suspects runs/math --unprompted --rows 20`.

    Args:
        run: Run folder.
        unprompted: Also take each answer's loss without its question; what the question saves tells `mismatched` rows.
            One or two forward passes, kept in the run's folder.
        learnability: Also train the proxy twice, briefly, each time on one half of the corpus, and judge the other
            half by it. Resumes where it was interrupted; kept in the run's folder.
        rows: How many suspects of each kind to show, the highest scores first.
    """
    from rich.console import Console

    from spice_select.cli.display import TerminalProgress
    from spice_select.cli.tables.suspects import print_suspects
    from spice_select.run.finished import load
    from spice_select.run.suspects import suspects_of

    console = Console()
    opened = load(run)
    found = suspects_of(opened, unprompted=unprompted, learnability=learnability, progress=TerminalProgress(console))
    print_suspects(console, opened, found, rows=rows)
