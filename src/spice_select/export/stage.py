"""From a finished run to a folder that another trainer takes."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from spice_select.data.formats.base import RowError
from spice_select.data.formats.margins import told_margin
from spice_select.data.plain import plain
from spice_select.data.records import Drop, Pair
from spice_select.errors import InputError
from spice_select.export import find_destination
from spice_select.export.base import Destination, Origin, Record
from spice_select.export.folder import export_folder, finish, refuse_foreign, write_records
from spice_select.export.picks import Pick, read_picks
from spice_select.export.trainee import Trainee, find_trainee
from spice_select.models.identify import identify_model
from spice_select.models.load import locate
from spice_select.models.recorded import changed_since
from spice_select.run import files as outputs
from spice_select.run.finished import Run, load
from spice_select.run.key_numbers import key_numbers
from spice_select.run.summary import largest_sources
from spice_select.settings.counted import counted

_LEFT_OUT = "left_out.jsonl"
_NOTE = ("rank", "gain", "epsilon", "conflict", "row", "sha256")


@dataclass(frozen=True, kw_only=True)
class Exported:
    """An export that was written.

    Attributes:
        path: its folder.
        destination: the trainer's name.
        rows: how many rows it holds, in the order picked.
        left_out: the chosen rows that the trainer cannot take, with their reasons; `left_out.jsonl` holds them too.
        notes: what a person should know of these rows under this trainer, in sentences.
        steps: what to do next, in sentences.
    """

    path: Path
    destination: str
    rows: int
    left_out: tuple[Drop, ...]
    notes: tuple[str, ...]
    steps: tuple[str, ...]

    @property
    def reasons(self) -> dict[str, int]:
        """How many rows were left out for each reason, the most frequent first."""
        return dict(Counter(drop.reason for drop in self.left_out).most_common())


def export_run(
    run: Run | str | Path,
    to: Destination | str,
    *,
    out: str | Path | None = None,
    model: str | None = None,
    keep_spice: bool = False,
) -> Exported:
    """Write the chosen rows of a finished run as files that another trainer takes.

    Args:
        run: the finished run, or its folder.
        to: a destination, or the name of one in `DESTINATIONS`: ``trl``, ``llamafactory``, ``axolotl``, ``jsonl``.
        out: the folder; by default ``<run folder>-<destination>``. An earlier export there is replaced.
        model: what the configurations name as the model to train; by default the run's proxy.
        keep_spice: keep each row's `spice` object (rank, gain, epsilon, conflict, row, sha256) beside its fields.

    Returns:
        What was written. Rows that the destination cannot express are left out with their reasons, never in silence.

    Raises:
        InputError: the folder is no finished run, the chosen rows were altered, not one of them can be expressed, or
            `out` holds something that is not an export; nothing was written.
    """
    run = run if isinstance(run, Run) else load(run)
    destination = find_destination(to) if isinstance(to, str) else to
    folder = _default_folder(run, destination) if out is None else Path(out)
    refuse_foreign(folder)
    picks, trainee = read_picks(run), find_trainee(run, model)
    if trainee.is_local and not destination.as_they_came:
        locate(trainee.name, False, None)  # refuses what is here and is no model: an adapter, say, or a run's folder
    destination = destination.fitted(picks, trainee)
    records, left_out = _records(picks, destination, keep_spice)
    refused = {drop.row for drop in left_out}
    kept = [pick for pick in picks if pick.row.number not in refused]
    origin = _origin(run, trainee, chosen=len(picks), lacking=_lacking(kept, records, destination))
    changed = () if model is not None or destination.as_they_came else (*_changed(run), *_without_adapter(run))
    notes = (
        *_general_notes(origin, destination, trainee),
        *changed,
        *_unseen(kept, destination, trainee),
        *destination.notes(kept),
    )
    with export_folder(folder) as aside:
        steps = destination.write(aside, records, origin)
        if left_out:
            write_records(aside / _LEFT_OUT, _left_out_lines(picks, left_out))
        facts = {"destination": destination.name, "rows": len(records), "left_out": len(left_out), "notes": notes}
        finish(aside, {**facts, "origin": asdict(origin)})
    return Exported(
        path=folder, destination=destination.name, rows=len(records), left_out=left_out, notes=notes, steps=steps
    )


def _lacking(picks: Sequence[Pick], records: Sequence[Record], destination: Destination) -> dict[str, int]:
    """The fields of the rows that their exported form lacks, and in how many rows they stood."""
    if destination.as_they_came:
        return {}
    counts: Counter[str] = Counter()
    for pick, record in zip(picks, records, strict=True):
        counts.update(pick.unread)
        if isinstance(pick.reading, Pair) and pick.reading.margin is not None:
            counts.update(told_margin(pick.row.raw.get)[0])
        counts.update(f"{name} of a turn" for name in pick.unread_of_turns)
        source = "" if isinstance(pick.reading, Drop) or "source" in record else pick.reading.source
        if source:
            counts.update(name for name in ("source", "dataset") if pick.row.raw.get(name) == source)
    return dict(counts.most_common())


def _general_notes(origin: Origin, destination: Destination, trainee: Trainee) -> tuple[str, ...]:
    notes = []
    if origin.not_exported:
        named = ", ".join(f"{name} ({counted(count, 'row')})" for name, count in origin.not_exported.items())
        notes.append(f"Fields that were not exported, and stay in the run's {outputs.SELECTED}: {named}.")
    if destination.as_they_came:  # rows alone: no configuration names a model
        return tuple(notes)
    if trainee.is_local:
        notes.append(
            f"The model is named by its path on this machine, {trainee.name}: change it where you train elsewhere."
        )
    elif trainee.found and (trainee.found.startswith((".", "/", "~")) or trainee.found.count("/") > 1):
        notes.append(f"The model {trainee.found!r} is not here; the configuration names it as it is: check it.")
    return tuple(notes)


def _changed(run: Run) -> tuple[str, ...]:
    """What is to be said where the run's own model, found by its path, is no longer what the run chose with."""
    proxy = run.settings.proxy
    if not run.manifest["identity"].get("model_weights_sha256") or proxy.model is None:
        return ()
    try:
        now = identify_model(proxy.model, allow_pickle=proxy.allow_pickle, **proxy.keywords())
    except InputError:  # it is not here, which is said where it matters
        return ()
    change = changed_since(now, run.manifest["identity"])
    if change is None:
        return ()
    return (
        f"The model at {proxy.model} is no longer the one that the rows were chosen with, and the export is made for "
        f"what is there now; {change}.",
    )


def _without_adapter(run: Run) -> tuple[str, ...]:
    """What is to be said where the rows were chosen on an adapter: the model that is named is its base."""
    adapter = run.settings.gradients.adapter
    if adapter is None:
        return ()
    return (
        f"The rows were chosen with the adapter {adapter}, and the model that is named is without it: to train on from "
        "there, merge the two and name what comes of it with --model.",
    )


def _unseen(picks: Sequence[Pick], destination: Destination, trainee: Trainee) -> tuple[str, ...]:
    """What depends on a chat template that is not here to be asked, with counts."""
    if not destination.reads_template or trainee.template is not None:
        return ()
    if trainee.tokenizer is not None:
        return (
            f"The model's tokenizer has no chat template that shows a question and its answer, and {destination.name} "
            "shows it the rows by one: name a model that has one with --model, or give the trainer a template.",
        )
    said = [pick.turns for pick in picks]
    kinds = {
        "a system turn": sum(any(turn["role"] == "system" for turn in turns) for turns in said),
        "reasoning": sum(any("reasoning_content" in turn for turn in turns) for turns in said),
        "tool calls": sum(any("tool_calls" in turn for turn in turns) for turns in said),
    }
    named = ", ".join(f"{count} with {kind}" for kind, count in kinds.items() if count)
    if not named:
        return ()
    return (f"The model's template is not on this machine to be asked whether it shows all of the rows: {named}.",)


def _records(
    picks: Sequence[Pick], destination: Destination, keep_spice: bool
) -> tuple[list[Record], tuple[Drop, ...]]:
    records, left_out = [], []
    for pick in picks:
        try:
            record = destination.record(pick)
        except RowError as fault:
            left_out.append(fault.drop(pick.row.number))
        else:
            records.append({**record, "spice": _note(pick, destination)} if keep_spice else record)
    if not records:
        raise InputError(_none_fits(destination, left_out))
    return records, tuple(left_out)


def _note(pick: Pick, destination: Destination) -> Record:
    """The note whole among rows as they came; elsewhere the fields that every row has, so that columns have a type."""
    return pick.note if destination.as_they_came else {name: pick.note[name] for name in _NOTE}


def _none_fits(destination: Destination, left_out: Sequence[Drop]) -> str:
    if not left_out:
        return "the run chose no rows, so there is nothing to export. Select with a larger --budget."
    counts = ", ".join(f"{reason} {n}" for reason, n in Counter(drop.reason for drop in left_out).most_common())
    return (
        f"none of the {len(left_out)} chosen rows can be expressed for {destination.name} ({counts}); the first, row "
        f"{left_out[0].row}: {left_out[0].detail}. Export to another destination, e.g. --to jsonl."
    )


def _left_out_lines(picks: Sequence[Pick], left_out: Sequence[Drop]) -> list[Record]:
    rows = {pick.row.number: pick.row for pick in picks}
    lines = []
    for drop in left_out:
        raw, encoded = plain(rows[drop.row].raw)
        line = {"row": drop.row, "reason": drop.reason, "detail": drop.detail, "record": raw}
        lines.append({**line, "encoded": encoded} if encoded else line)
    return lines


def _default_folder(run: Run, destination: Destination) -> Path:
    name = f"{run.path.resolve().name}-{destination.name}"
    return run.path.resolve().with_name(name) if run.path.name in ("", "..") else run.path.with_name(name)


def _origin(run: Run, trainee: Trainee, *, chosen: int, lacking: dict[str, int]) -> Origin:
    manifest = run.manifest
    return Origin(
        run=run.path.resolve().name,
        corpus=manifest["corpus"]["name"],
        identity={**manifest["identity"], **manifest.get("automatic", {})},
        selected_sha256=manifest["outputs"][outputs.SELECTED],
        chosen=chosen,
        model=trainee.name,
        revision=trainee.revision,
        max_length=run.settings.data.max_length,
        version=manifest["versions"]["spice-select"],
        numbers=tuple(key_numbers(run.summary)),
        mix=tuple(largest_sources(run.summary.mix)),
        not_exported=lacking,
    )
