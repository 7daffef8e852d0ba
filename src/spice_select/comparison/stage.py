"""The way of a comparison on one screen: grounds that all share → each arm chooses → what is known of the choices."""

from collections.abc import Container, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from spice_select.comparison.arms import CONTROL, Contender, contenders_of, refuse_contenders, refuse_other_meaning
from spice_select.comparison.choosing import ARMS, ArmChoice, Chooser, places_chosen
from spice_select.comparison.costs import CostLedger
from spice_select.comparison.facts import ArmFacts, CommonGradients, facts_of, overlaps
from spice_select.comparison.grounds import Grounds, read_grounds, token_budget
from spice_select.comparison.judging_rows import unused_rows
from spice_select.comparison.page import comparison_figures, write_comparison_page
from spice_select.comparison.pair_judging import MEASURES
from spice_select.comparison.records import ArmRun, read_arm_runs
from spice_select.comparison.report_table import tables_markdown
from spice_select.comparison.result import RESULTS_FILE, MethodsCompared, Scores
from spice_select.comparison.ruling import Ruling, judge
from spice_select.comparison.settings import LEAST_SEEDS_TO_TRAIN, CompareSettings, seeds_of
from spice_select.comparison.terms import Terms, endpoints_of_pairs
from spice_select.comparison.tuning import RECORDS, Tuner, evaluation_of, places_on_record, untuned_name
from spice_select.comparison.work import REFERENCES, ArmsAtWork, first_choices
from spice_select.data.formats import PreferencePairs
from spice_select.errors import InputError
from spice_select.evaluation.stage import check_tasks
from spice_select.executors.places import refuse_several
from spice_select.executors.settings import EngineSettings
from spice_select.methods.budget import Budget
from spice_select.models.identify import identify_model
from spice_select.progress import Progress, Silent
from spice_select.report.page import write_images
from spice_select.run.feasible import refuse_rows
from spice_select.run.finished import Run
from spice_select.run.folder import MANIFEST, open_run
from spice_select.run.identity import default_folder, package_version
from spice_select.settings.access import Opening
from spice_select.settings.places import place_text
from spice_select.settings.words import command_words
from spice_select.store import write_json, write_text
from spice_select.training.trainer import require

TABLES, FIGURES = "report.md", "figures"
_DECISIVE = ("spice-select", "torch", "transformers", "tokenizers", "numpy")
_TRAINING = ("trl", "peft", "accelerate")
"""Packages of which another version makes another comparison: the latter where models are tuned."""
_NEVER_DECIDE = (
    *("methods", "seeds", "control_seeds", "keep_models", "primary"),
    *Opening.model_fields,
    *EngineSettings.model_fields,
)
"""Settings that add arms or seeds to a comparison, or say what may be done: they make it no other."""
_SAID_NO_MORE = {"confirm_run_unsafe_code": False, "task_batch_size": 8}
"""Settings that are as good as those, and stood in the identities of folders that are there, as a rule so."""


def compare(
    pool: str | Path,
    *,
    out: str | Path | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
    **settings: Any,
) -> MethodsCompared:
    """Let several methods choose under one budget, and judge their choices.

    Args:
        pool: as `spice_select.select` takes a corpus.
        out: the folder; by default ``runs/compare-<pool>-<hash of what was asked>``. What is finished there is not done
            again, so that the same call resumes, and methods and seeds can be added.
        overwrite: throw away what a different comparison left in `out`.
        progress: shown how far the work is; silent by default.
        **settings: any of `CompareSettings` by name, e.g. ``methods=("random", "spice", "less-rr"), budget="5%",
            target="dev.jsonl"``.

    Returns:
        What is known of every choice; also as JSON in the folder. An arm that failed is named in `.failures`; the
        others stand.

    Raises:
        InputError: anything that the caller can mend, before an arm has chosen.
    """
    return run_compare(
        place_text(pool), CompareSettings.from_flat(settings), out=out, overwrite=overwrite, progress=progress
    )


def run_compare(
    pool: str,
    settings: CompareSettings,
    *,
    out: str | Path | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> MethodsCompared:
    """`compare` with the settings as one object."""
    refuse_several("a comparison")
    progress = progress or Silent()
    _refuse_training(settings)
    contenders = contenders_of(settings)
    refuse_contenders(contenders, settings)
    if settings.tuning.train:
        _refuse_tasks(settings)
    grounds = read_grounds(pool, settings, progress)
    _refuse_budget(contenders, grounds, settings)
    _refuse_primary(grounds, settings)
    if settings.tuning.train:
        grounds = replace(grounds, notes=[*grounds.notes, *unused_rows(grounds, settings)])
    for note in grounds.notes:
        progress.note(note)
    identity = _identity(grounds, settings)
    folder = default_folder(pool, identity, kind="compare-", nameless="pool") if out is None else Path(out)
    with open_run(folder, identity, overwrite=overwrite, reads=_read(pool, settings)) as opened:
        refuse_other_meaning(contenders, [*places_chosen(folder), *places_on_record(folder)])
        grounds.write(opened)
        chooser = Chooser(folder=folder, grounds=grounds, settings=settings, progress=progress)
        work = ArmsAtWork(contenders=contenders, chooser=chooser, progress=progress)
        found = _found(work, work.choices())
        write_json(folder / RESULTS_FILE, found.to_json())
        write_comparison_page(found)
        if found.ruling is not None:
            write_images(comparison_figures(found), folder / FIGURES)
        return found


def _found(work: ArmsAtWork, choices: Sequence[ArmChoice]) -> MethodsCompared:
    """Measure the choices, and tune on them where that was asked for."""
    chooser = work.chooser
    grounds, settings = chooser.grounds, chooser.settings
    common, budget, notes = CommonGradients.of(choices), None, list(grounds.notes)
    notes += [f"{one.label} is {one.text.partition('=')[2]}." for one in work.contenders if one.is_named]
    if settings.arms.equal == "tokens":
        budget = chooser.tokens
    if common is None:
        remedy = " Add spice to --methods to see more." if not work.failures else ""
        notes.append(f"No arm that has chosen took gradients at length one, so none is measured by them.{remedy}")
    notes += _notes_of(choices, notes)
    facts = _facts(choices, chooser, budget, common)
    ruling, scores = _tuned(work, choices, facts, notes) if settings.tuning.train else (None, {})
    return MethodsCompared(
        path=chooser.folder,
        pool=grounds.name,
        rows=len(grounds),
        budget=settings.arms.budget,
        supervised=budget,
        curvature=None if common is None else common.curvature.value,
        facts=facts,
        overlap=overlaps(first_choices(choices)),
        diversity={} if common is None else common.diversity(first_choices(choices), grounds),
        ruling=ruling,
        scores=scores,
        failures=tuple(work.failures),
        notes=notes,
        asked=[word for group in CompareSettings.model_fields for word in command_words(getattr(settings, group))],
    )


def _notes_of(choices: Sequence[ArmChoice], said: Sequence[str]) -> list[str]:
    """What the runs noted of some arms, once each; what all note is of the pool, and was said."""
    noted = dict[str, list[str]]()
    arms = first_choices(choices)
    for label, choice in arms.items():
        for note in dict.fromkeys(choice.run.summary.notes):
            noted.setdefault(note, []).append(label)
    alone = {note: labels for note, labels in noted.items() if len(labels) < len(arms) and note not in said}
    return [f"{', '.join(labels)}: {note}" for note, labels in alone.items() if not note.startswith("Target ")]


def _tuned(
    work: ArmsAtWork, choices: Sequence[ArmChoice], facts: Sequence[ArmFacts], notes: list[str]
) -> tuple[Ruling | None, Scores]:
    """What may be said of the arms, also as files, None where random failed; and what benchmarks say of them.

    All that is on record in the folder is judged, as its page does: fewer arms would make a family of their own.
    """
    chooser = work.chooser
    grounds, settings = chooser.grounds, chooser.settings
    tuner = Tuner(
        folder=chooser.folder,
        grounds=grounds,
        settings=settings,
        budget=chooser.tokens / int(grounds.supervised.sum()),
        costs={(one.arm, one.seed): one.cost for one in facts},
        progress=work.progress,
        failed=work.failed,
    )
    done = work.tunings(choices, tuner)
    unchosen = {one.label for one in work.contenders} - {choice.arm.label for choice in choices}
    before = _others_on_record(chooser.folder, done, unchosen)
    if before:
        seeds = {one.arm: sorted(other.seed for other in before if other.arm == one.arm) for one in before}
        named = "; ".join(f"{arm}, seed{'s'[: len(own) > 1]} {', '.join(map(str, own))}" for arm, own in seeds.items())
        notes.append(f"Judged too, for they are on record in this folder: {named}.")
    records = [*done, *before]
    if not any(record.arm == CONTROL for record in records):
        return None, tuner.scores()
    by = endpoints_of_pairs() if isinstance(grounds.pool.format, PreferencePairs) else {}
    terms = Terms(primary=settings.sets.primary, references=REFERENCES, **by)
    ruling = judge(records, terms if settings.arms.equal == "tokens" else replace(terms, equal="rows"))
    write_text(chooser.folder / TABLES, f"{ruling.paragraph}\n\n{tables_markdown(ruling.tables())}")
    return ruling, tuner.scores()


def _others_on_record(folder: Path, done: Sequence[ArmRun], unchosen: Container[str]) -> list[ArmRun]:
    """What was tuned in this folder and not asked for now, but for arms that could not choose: it may be another's."""
    asked = {(one.arm, one.seed) for one in done}
    there = read_arm_runs(folder / RECORDS) if places_on_record(folder) else []
    return [one for one in there if (one.arm, one.seed) not in asked and one.arm not in unchosen]


def _facts(
    choices: Sequence[ArmChoice], chooser: Chooser, budget: int | None, common: CommonGradients | None
) -> list[ArmFacts]:
    places = sorted(path.parent for path in (chooser.folder / ARMS).glob(f"*/{MANIFEST}"))
    ledger = CostLedger(chooser.grounds, [Run(place) for place in places])
    with chooser.progress.task("Measuring the choices", len(choices), "choices") as advance:
        facts = []
        for choice in choices:
            facts.append(facts_of(choice, chooser.grounds, ledger.cost(choice), budget, common))
            advance(1)
    return facts


def _refuse_training(settings: CompareSettings) -> None:
    """Raise InputError where nothing could be tuned, or nothing said of it."""
    sets = settings.sets
    judges = {
        "held_out": sets.held_out,
        "held_out_rows": sets.held_out_rows,
        "outside": sets.outside,
        "primary": sets.primary,
    }
    judges |= {"gold": sets.gold, "tasks": settings.benchmarks.tasks}
    if not settings.tuning.train:
        given = ", ".join(f"--{name.replace('_', '-')}" for name, value in judges.items() if value)
        if given:
            raise InputError(f"{given} without --train: there is no model to judge. Give --train, or leave it out.")
        return
    require("trl", "train")
    seeds = seeds_of(settings.arms.seeds)
    if len(seeds) < LEAST_SEEDS_TO_TRAIN:
        raise InputError(
            f"--train with --seeds {settings.arms.seeds}: a difference between single tunings may be the order of "
            f"their rows; two are the least, five or more are judged. Give --seeds 0,1,2,3,4."
        )


def _refuse_tasks(settings: CompareSettings) -> None:
    """Raise InputError for benchmarks that could not be run, while it costs no tuning."""
    if not settings.benchmarks.tasks:
        return
    require("lm_eval", "evaluate")
    if settings.proxy.model_revision is not None and settings.tuning.train_model is None:
        raise InputError(
            f"--tasks with --model-revision {settings.proxy.model_revision}: benchmarks take the untuned model by its "
            "name, hence its newest revision. Give a folder that holds this revision as --model."
        )
    check_tasks(untuned_name(settings), evaluation_of(settings))


def _refuse_budget(contenders: Sequence[Contender], grounds: Grounds, settings: CompareSettings) -> None:
    """Raise InputError where the pool cannot meet the budget, or an arm's shares of it."""
    budget = Budget.parse(settings.arms.budget)
    if settings.arms.equal == "rows" and budget.tokens is not None:
        raise InputError(f"--budget {budget} with --equal rows: a number of tokens. Give rows, or --equal tokens.")
    tokens, least = token_budget(budget, grounds), int(grounds.supervised.min())
    if settings.arms.equal == "tokens" and tokens < least:
        raise InputError(
            f"--budget {budget}: {tokens:,} supervised tokens of this pool, and its shortest answer has {least:,}. "
            "Give more, or --equal rows."
        )
    rows = max(1, round(len(grounds) * tokens / int(grounds.supervised.sum())))
    shared = Budget(tokens=tokens, supervised=True)
    for one in contenders:
        spread = one.in_pools and settings.arms.equal == "tokens"
        for seed in seeds_of(settings.arms.seeds) if one.in_pools else (0,):  # each cuts other pools
            asked = one.asks(settings, seed=seed, budget=str(shared if spread else rows), target=None)
            try:
                refuse_rows(asked, grounds.sources, (grounds.supervised if spread else grounds.tokens).tolist())
            except InputError as error:
                raise InputError(f"{one.label}: {error}") from error


def _refuse_primary(grounds: Grounds, settings: CompareSettings) -> None:
    """Raise InputError where the verdict is to be by a set of rows that there is not, before anything is tuned."""
    measures = MEASURES if isinstance(grounds.pool.format, PreferencePairs) else ("",)
    names = [name + measure for name in grounds.judges for measure in measures]
    if settings.sets.primary is not None and settings.sets.primary not in names:
        raise InputError(
            f"--primary {settings.sets.primary}: nothing is judged by it, only by {', '.join(names)}. Name one "
            "of these."
        )


def _read(pool: str, settings: CompareSettings) -> list[str | None]:
    """What a comparison is made from, by name."""
    sets = settings.sets
    models = [settings.proxy.model, settings.gradients.adapter, settings.tuning.train_model]
    return [pool, *models, *sets.target, sets.held_out, *sets.outside, *sets.gold]


def _identity(grounds: Grounds, settings: CompareSettings) -> dict[str, Any]:
    """What decides every arm's result; methods and seeds can be added to a comparison."""
    asked = {name: value for name, value in settings.flat().items() if name not in _NEVER_DECIDE}
    named = {name: value for name, value in asked.items() if name not in ("target", "held_out", "outside", "gold")}
    packages = (*_DECISIVE, *_TRAINING) if settings.tuning.train else _DECISIVE
    versions = {f"version_{package}": package_version(package) for package in packages}
    known = {**named, **_SAID_NO_MORE, **grounds.facts, **_first_seed(settings)}
    return {"kind": "comparison", **known, **_tuned_model(settings), **versions}


def _first_seed(settings: CompareSettings) -> dict[str, int]:
    """The seed that those choose with which choose once, and that draws the sketch and the LoRA of all; not said if 0.

    So seeds are added behind the first; another first one is another comparison.
    """
    first = seeds_of(settings.arms.seeds)[0]
    return {"first_seed": first} if first else {}


def _tuned_model(settings: CompareSettings) -> dict[str, str]:
    """The sums of a model to tune that is not the proxy. Raises InputError where it cannot be tuned, while it is early:
    as `load_model`, but for what only loading shows.
    """
    name = settings.tuning.train_model
    if not settings.tuning.train or name is None:
        return {}
    access = settings.proxy
    known = identify_model(
        name,
        allow_network=access.allow_network,
        allow_pickle=access.allow_pickle,
        trust_remote_code=access.trust_remote_code,
    )
    return {f"train_{what}": digest for what, digest in known.sums.items()}
