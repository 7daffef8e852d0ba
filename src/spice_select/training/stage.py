"""Fine-tuning of the target on a finished run's rows, by SFT or DPO: the way of `spice train` on one screen."""

import shutil
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spice_select.data.encoding import Encoder
from spice_select.data.records import Example, PairExample
from spice_select.errors import InputError
from spice_select.executors.places import refuse_several
from spice_select.gradients.lengths import refuse_unreadable_rows
from spice_select.models.family import family_warning
from spice_select.models.load import load_model
from spice_select.models.quiet import network, quiet_transformers
from spice_select.models.recorded import changed_since, record_of
from spice_select.progress import Progress, Silent
from spice_select.progress.clock import Clock
from spice_select.run.corpus import named_corpus
from spice_select.run.finished import Run, load
from spice_select.run.folder import RunFolder, open_run
from spice_select.run.pairs import is_of_pairs, refuse_marks
from spice_select.settings.counted import counted
from spice_select.store import explained
from spice_select.training.checkpoint import newest_checkpoint
from spice_select.training.curve import draw_curve
from spice_select.training.dpo import DpoLoss, dpo_config, make_dpo_trainer, refuse_other_loss
from spice_select.training.facts import Material, training_facts, training_folder, training_identity
from spice_select.training.moved import Before, Moved
from spice_select.training.result import (
    CHECKPOINTS,
    CURVE,
    LAST_GOOD,
    LEFT_OUT,
    LOSS,
    MODEL,
    Trained,
    load_trained,
    read_losses,
)
from spice_select.training.rows import Arm, encode_arm, read_arm
from spice_select.training.settings import TrainSettings
from spice_select.training.steps import plan_steps
from spice_select.training.target import Target, find_target
from spice_select.training.trainer import make_trainer, require, trainer_config

if TYPE_CHECKING:
    from spice_select.training.session import Session


def train(
    run: Run | str | Path,
    *,
    out: str | Path | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
    **settings: Any,
) -> Trained:
    """Fine-tune a target model on what a run chose, through TRL; needs the extra ``train``.

    Template and response mask are the selection's own code, so the supervised tokens are the same. A step minimises
    the mean over all supervised tokens of its rows, whatever micro-batches they come in.

    Args:
        run: the finished run, or its folder.
        out: the folder; by default ``<run folder>-<rows>-<hash of what was asked>``. An interrupted training there is
            resumed from its last checkpoint, a finished one is returned as it is.
        overwrite: throw away what a different training left in `out`.
        progress: shown how far the work is; silent by default.
        **settings: any of `TrainSettings` by name, e.g. ``model="./Qwen2.5-7B", on="random", match="steps"``.

    Returns:
        The finished training.

    Raises:
        InputError: anything that the caller can mend, and a loss that is no longer a number: the state before it is
            kept in ``last-good``.
    """
    return run_train(run, TrainSettings.from_flat(settings), out=out, overwrite=overwrite, progress=progress)


def run_train(
    run: Run | str | Path,
    settings: TrainSettings,
    *,
    out: str | Path | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Trained:
    """`train` with the settings as one object."""
    refuse_several("a training")
    require("trl", "train")
    if settings.tensorboard:
        require("tensorboard", "tensorboard")
    progress, clock = progress or Silent(), Clock()
    run = run if isinstance(run, Run) else load(run)
    refuse_marks(run, "spice train")
    refuse_other_loss(run, settings)
    settings = settings.settled(pairs=is_of_pairs(run))
    target = find_target(run, settings)
    _hold_to_record(run, target, settings, progress)
    with clock("reading"):
        arm = read_arm(run, settings.on, seed=settings.seed, allow_network=settings.allow_network)
    with clock("encoding"):
        material = _encode(run, arm, target, settings, progress)
    identity = training_identity(run, arm, target, material, settings)
    folder = training_folder(run, settings.on, identity) if out is None else Path(out)
    reads = [run.path, target.name, *([] if settings.on == "selected" else [named_corpus(run)])]
    with open_run(folder, identity, overwrite=overwrite, reads=reads) as opened:
        if opened.finished:
            progress.note(f"{opened.path} is finished already: nothing to do.")
        else:
            _fill(opened, identity, material, target, settings, progress, clock)
        return load_trained(opened.path)


def _encode(run: Run, arm: Arm, target: Target, settings: TrainSettings, progress: Progress) -> Material:
    max_length = settings.max_length or run.settings.data.max_length
    encoder = Encoder(target.tokenizer, max_length=max_length)
    known = run.manifest["identity"].get("chat_template_sha256")
    if known is not None and known != encoder.template_hash:
        progress.note("The target's chat template is not the proxy's: the rows are shown to it in its own way.")
    warning = family_warning(run.settings.proxy.model, target.name)
    for note in [*encoder.notes, *([warning] if warning else [])]:
        progress.note(note)
    encoded = encode_arm(run, arm.rows, encoder, progress, arm.name)
    for note in encoded.notes:
        progress.note(note)
    chosen = len(encoded.examples)
    if arm.name != "selected" and settings.match == "steps" and settings.max_steps is None:
        picked = read_arm(run, "selected", seed=settings.seed, allow_network=False)
        chosen = len(encode_arm(run, picked.rows, encoder, progress, "selected").examples)
    plan = plan_steps(settings, rows=len(encoded.examples), chosen=chosen)
    progress.note(
        f"{arm.name}: {counted(len(encoded.examples), 'row')}, {encoded.num_tokens:,} tokens, "
        f"{encoded.num_supervised:,} "
        f"supervised; {plan.sentence}."
    )
    if encoded.truncated:
        cut = counted(encoded.truncated, "of these rows is", "of these rows are")
        progress.note(f"{cut} cut at {max_length:,} tokens (--max-length).")
    for reason, count in encoded.reasons.items():
        progress.note(f"Left out: {count} × {reason}, see {LEFT_OUT}.")
    dpo = DpoLoss.of(run, settings) if is_of_pairs(run) else None
    if dpo is not None:
        progress.note(dpo.sentence)
    return Material(encoded=encoded, plan=plan, template_hash=encoder.template_hash, max_length=max_length, dpo=dpo)


def _hold_to_record(run: Run, target: Target, settings: TrainSettings, progress: Progress) -> None:
    """A run's own model is found by its path, where another may lie by now.

    Raises:
        InputError: it was asked for as the run's, and is no longer what the run chose with.
    """
    recorded, own = run.manifest["identity"], run.settings.proxy.model
    if settings.model_revision is not None or settings.model not in (None, own):
        return
    change = changed_since(target.identity, recorded)
    if change is not None and settings.model is None:
        raise InputError(
            f"model {target.identity.name}: it is no longer the one that {run.path} chose with; {change}. Put the old "
            f"files back, or train what is there now by naming it: --model {own}."
        )
    if change is not None:
        progress.note(f"The model at {own} is no longer the one that the rows were chosen with; {change}.")
    if settings.model is None and run.settings.gradients.adapter is not None:
        progress.note(f"The adapter that rows were chosen with ({run.settings.gradients.adapter}) is not trained on.")


def _fill(
    folder: RunFolder,
    identity: dict[str, Any],
    material: Material,
    target: Target,
    settings: TrainSettings,
    progress: Progress,
    clock: Clock,
) -> None:
    """Train, and write what an open folder lacks, the manifest last."""
    from spice_select.training.session import Session

    with clock("loading"), progress.task(f"Loading {target.identity.name}", 1, "model") as advance:
        # all weights trained: they are float32, and the computation alone is in the precision asked for
        dtype = "float32" if settings.full else target.dtype
        loaded = load_model(
            target.name,
            dtype=dtype,
            device=target.device,
            allow_pickle=settings.allow_pickle,
            **target.access,
        )
        advance(1)
    refuse_unreadable_rows(loaded.model, material.examples)
    place = _named_by_place(loaded.model, target.name)
    progress.note(f"Target: {loaded.name} on {target.device}, {target.reason}")
    checkpoint, done, removed = newest_checkpoint(folder.path / CHECKPOINTS)
    for sentence in removed:
        progress.note(sentence)
    if checkpoint is not None:
        progress.note(f"Resuming after step {done} of {material.plan.steps}.")
    # the weights are here: nothing below has business on the network (TRL would report its use)
    with (
        network(False),
        quiet_transformers(),
        warnings.catch_warnings(),
        explained(folder.path),
        clock("session"),
    ):
        warnings.simplefilter("ignore", FutureWarning)  # TRL and transformers about each other's older names
        trainer = _trainer(loaded.model, target, material, settings, folder.path / CHECKPOINTS)
        session = Session(
            trainer, folder.path, tensorboard=settings.tensorboard, base=record_of(target.identity, place)
        )
        before = Before(trainer.model, target.dtype if settings.full else "float32")
        with progress.task("Training", material.plan.steps, "steps", done=done) as advance:
            session.run(checkpoint, advance)
        moved = before.against(trainer.model)
        session.save(folder.path / MODEL, dtype=target.dtype)
    if moved.sentence is not None:
        progress.note(moved.sentence)
    _finish(folder, identity, material, session, moved, clock)
    if not settings.keep_checkpoints:
        shutil.rmtree(folder.path / CHECKPOINTS, ignore_errors=True)
    shutil.rmtree(folder.path / LAST_GOOD, ignore_errors=True)


def _trainer(model: Any, target: Target, material: Material, settings: TrainSettings, folder: Path) -> Any:
    """TRL's trainer for answers, or for pairs."""
    place: dict[str, Any] = {
        "steps": material.plan.steps,
        "folder": folder,
        "dtype": target.dtype,
        "device": target.device,
    }
    if material.dpo is None:
        answers = [example for example in material.examples if isinstance(example, Example)]
        return make_trainer(model, target.tokenizer, answers, settings, trainer_config(settings, **place))
    pairs = [example for example in material.examples if isinstance(example, PairExample)]
    return make_dpo_trainer(model, target.tokenizer, pairs, settings, dpo_config(settings, material.dpo, **place))


def _named_by_place(model: Any, name: str | None) -> str:
    """Where a model lies, good from any folder (or its hub id), written into it: an adapter names its base by that."""
    path = Path(model.name_or_path if name is None else name).expanduser()
    place = str(path.resolve()) if path.exists() else str(model.name_or_path)
    model.name_or_path = model.config._name_or_path = place
    return place


def _finish(
    folder: RunFolder, identity: dict[str, Any], material: Material, session: "Session", moved: Moved, clock: Clock
) -> None:
    drops = material.encoded.drops
    folder.write_lines(LEFT_OUT, ({"row": d.row, "reason": d.reason, "detail": d.detail} for d in drops))
    losses = read_losses(folder.path)
    title, of = f"{identity['model']} on {identity['on']} rows", "pair" if material.dpo else "supervised token"
    drawn = draw_curve(folder.path / CURVE, losses, title=title, of=of)
    # a tokenizer with several chat templates keeps them in a folder of their own
    files = (path for path in (folder.path / MODEL).rglob("*") if path.is_file())
    model = sorted(path.relative_to(folder.path).as_posix() for path in files)
    spent = {**clock.seconds, "training": session.seconds}
    facts = training_facts(identity, material, steps=len(losses), tokens=session.tokens, seconds=spent, moved=moved)
    folder.finish(facts, [LOSS, LEFT_OUT, *([CURVE] if drawn else []), *model])
