"""`spice train`: the target, fine-tuned on what a run chose."""

from pathlib import Path
from typing import Annotated

import tyro

from spice_select.training.settings import TrainSettings


def train(
    run: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")],
    *,
    out: Annotated[Path | None, tyro.conf.arg(metavar="FOLDER")] = None,
    overwrite: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False,
    settings: tyro.conf.OmitArgPrefixes[TrainSettings] = TrainSettings(),  # noqa: B008 - frozen
) -> None:
    """Fine-tune a target model on the chosen rows, through TRL (pip install 'spice-select[train]').

    A LoRA by default, or all weights with --full. Rows are shown and masked as the selection did, so the supervised
    tokens are the same. Leaves a folder: model/ (adapter or model, with its tokenizer), loss.jsonl, loss.png,
    left_out.jsonl, manifest.json. The same command resumes an interrupted training from its last checkpoint.

    Examples: `spice train runs/x --model ./Qwen2.5-7B`, `spice train runs/x --on random --seed 1`,
    `spice train runs/x --on full --match steps`.

    Args:
        run: Run folder.
        out: Folder to write. Default: RUN-<rows>-<hash of what was asked>.
        overwrite: Throw away what a different training left in the folder.
    """
    from rich.console import Console

    from spice_select.cli.display import TerminalProgress
    from spice_select.cli.tables.plain import plain_text
    from spice_select.settings.counted import leading
    from spice_select.training.stage import run_train

    console = Console()
    done = run_train(run, settings, out=out, overwrite=overwrite, progress=TerminalProgress(console))
    tenth = -(-done.steps // 10)
    first, last = (sum(part) / tenth for part in (done.losses[:tenth], done.losses[-tenth:]))
    console.print(
        f"\nmean loss of the {leading(tenth, 'step')} of {done.steps} {first:.4g}, of the last {last:.4g}; "
        f"{done.tokens:,} tokens, {done.seconds:,.0f} s",
        highlight=False,
    )
    console.print(f"[bold]{plain_text(str(done.model))}[/]  the trained model")
