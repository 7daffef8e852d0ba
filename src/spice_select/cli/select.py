"""`spice select`: from a corpus to a chosen part of it."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import tyro
from rich.console import Console

from spice_select.data.settings import DataSettings
from spice_select.diagnosis.suspects.settings import SuspectSettings
from spice_select.errors import InputError
from spice_select.executors.settings import EngineSettings
from spice_select.gradients.settings import GradientSettings
from spice_select.methods.spice import SpiceSettings
from spice_select.models.settings import ProxySettings
from spice_select.recipes import config_path
from spice_select.run.settings import (
    InterleavedSettings,
    SelectionSettings,
    SelectSettings,
    TargetSettings,
    read_asked,
)


def select_with_defaults(config: str | None) -> Callable[..., None]:
    """The verb, with the settings of a config file as its defaults."""
    corpus_default, settings = (None, SelectSettings()) if config is None else read_asked(config_path(config))

    def select(
        corpus: Annotated[str | None, tyro.conf.Positional, tyro.conf.arg(metavar="CORPUS")] = corpus_default,
        *,
        out: Annotated[Path | None, tyro.conf.arg(metavar="FOLDER")] = None,
        overwrite: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False,
        selection: tyro.conf.OmitArgPrefixes[SelectionSettings] = settings.selection,
        target: tyro.conf.OmitArgPrefixes[TargetSettings] = settings.target,
        spice: tyro.conf.OmitArgPrefixes[SpiceSettings] = settings.spice,
        proxy: tyro.conf.OmitArgPrefixes[ProxySettings] = settings.proxy,
        data: tyro.conf.OmitArgPrefixes[DataSettings] = settings.data,
        gradients: tyro.conf.OmitArgPrefixes[GradientSettings] = settings.gradients,
        interleaved: tyro.conf.OmitArgPrefixes[InterleavedSettings] = settings.interleaved,
        suspects: tyro.conf.OmitArgPrefixes[SuspectSettings] = settings.suspects,
        engine: tyro.conf.OmitArgPrefixes[EngineSettings] = settings.engine,
    ) -> None:
        """Choose the rows worth training on.

        Reads a corpus of instructions and lets `--method` choose from it. The default, `information`, takes the
        gradient of every sample's response loss on a small proxy model, and picks greedily the rows whose gradients
        tell most about those of `--target` or, without one, about those of all rows. `spice`, as published, picks those
        that hold the most information, log det(I + αΣ g gᵀ), less a penalty for gradients that conflict with those
        already picked. Leaves a run folder: selected.jsonl (the rows as
        they came, with rank, gain, epsilon, conflict), dropped.jsonl (with reasons), selection.parquet, summary.json,
        manifest.json, config.yaml and the gradients. The same command resumes an interrupted run. `--config` takes its
        settings from a file or a recipe (`spice recipes`).

        Examples: `spice select train.jsonl`, `spice select train.parquet --budget 500 --schedule pools`, `spice select
        train.jsonl --target dev.jsonl`, `spice select train.jsonl --method random`, `spice select train.jsonl --config
        spice`, `spice select --config runs/x/config.yaml --budget 5% --out runs/y`.

        Args:
            corpus: JSONL (.gz), JSON, Parquet or CSV file, a folder of them or of `datasets`, or a hub id.
            out: Run folder. Default: runs/<corpus>-<hash of what was asked>.
            overwrite: Throw away what a different run left in the folder.
        """
        from spice_select.cli.display import TerminalProgress
        from spice_select.cli.tables.summary import print_summary
        from spice_select.executors import ProcessPlace
        from spice_select.pipeline import run_select

        if corpus is None:
            raise InputError("no corpus was given. Name a file: `spice select train.jsonl --budget 10%`.")
        console = Console()
        whole = SelectSettings(
            selection=selection,
            target=target,
            spice=spice,
            proxy=proxy,
            data=data,
            gradients=gradients,
            interleaved=interleaved,
            suspects=suspects,
            engine=engine,
        )
        run = run_select(corpus, whole, out=out, overwrite=overwrite, progress=TerminalProgress(console))
        if ProcessPlace.of_environment().rank == 0:
            print_summary(console, run)

    return select
