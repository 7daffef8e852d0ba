"""`spice transfer`: would another model have chosen the same rows?"""

import json
from pathlib import Path
from typing import Annotated, Literal

import tyro


def transfer(
    run: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")],
    *,
    model: str,
    sample: int = 200,
    share: str | None = None,
    seed: int = 0,
    ceiling: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False,
    out: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None,
    model_revision: str | None = None,
    device: str = "auto",
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto",
    allow_network: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False,
    allow_pickle: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False,
    trust_remote_code: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False,
) -> None:
    """Measure on a sample how far a run's proxy and another model, e.g. the one to be trained, choose the same rows.

    The gradients of the run are read from its folder; those of the other model are computed under the same settings.

    Args:
        run: Run folder.
        model: The other model: directory, GGUF file, hub id, or `embedded`.
        sample: Rows to compare on.
        share: How much of the sample each chooses, e.g. `10%`. Default: the share that the run chose.
        seed: Seed of the sample.
        ceiling: Also compare the run's model with itself under another seed (one more pass of gradients).
        out: JSON file to write.
        model_revision: Revision of a hub model.
        device: `auto`, `cpu`, `cuda`, `cuda:1`, `mps`.
        dtype: Precision of the other model.
        allow_network: May reach the Hugging Face hub.
        allow_pickle: May load pickled weights (they can run code when loaded).
        trust_remote_code: May run Python code that comes with the model.
    """
    from rich.console import Console

    from spice_select.agreement.stage import transfer as measure
    from spice_select.cli.display import TerminalProgress
    from spice_select.cli.tables.transfer import print_transfer
    from spice_select.store import atomic, explained

    console = Console()
    found = measure(
        run,
        model=None if model == "embedded" and not Path(model).exists() else model,
        sample=sample,
        share=share,
        seed=seed,
        ceiling=ceiling,
        progress=TerminalProgress(console),
        model_revision=model_revision,
        device=device,
        dtype=dtype,
        allow_network=allow_network,
        allow_pickle=allow_pickle,
        trust_remote_code=trust_remote_code,
    )
    if out is not None:
        with explained(out.parent):
            out.parent.mkdir(parents=True, exist_ok=True)
        with atomic(out) as aside:
            aside.write_text(json.dumps(found.to_json(), indent=2, allow_nan=False) + "\n", encoding="utf-8")
    print_transfer(console, found)
