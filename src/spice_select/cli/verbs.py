"""The verbs of the command line: the one table that dispatch, `--help`, README and tests are made from.

Looking at it loads no verb: a verb's module is imported when it is asked for.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Verb:
    """One verb.

    Attributes:
        name: as it is typed.
        where: ``module:function`` under `spice_select.cli`. The function's signature and docstring are its help.
        summary: first sentence of that docstring.
        page: page of the documentation, under ``docs/``.
        examples: commands, each with what it does, in a few words.
    """

    name: str
    where: str
    summary: str
    page: str
    examples: tuple[tuple[str, str], ...]

    @property
    def key(self) -> str:
        """The name in one word, as the parser of the command line has it."""
        return self.name.replace(" ", "-")

    def load(self) -> Callable[..., Any]:
        """The function behind `where`."""
        module, function = self.where.split(":")
        loaded: Callable[..., Any] = getattr(import_module(f"spice_select.cli.{module}"), function)
        return loaded


VERBS: tuple[Verb, ...] = (
    Verb(
        name="select",
        where="select:select_with_defaults",
        summary="Choose the rows worth training on.",
        page="select.md",
        examples=(
            ("spice select train.jsonl --budget 10% --out runs/math", "choose a tenth with the embedded proxy"),
            ("spice select train.jsonl --model ./Qwen2.5-0.5B", "… by a proxy of your target's family"),
            ("spice select train.jsonl --target dev.jsonl", "… for rows of what matters"),
            ("spice select train.jsonl --method random", "a control to compare with; loads no model"),
            ("spice select train.jsonl --config spice", "the paper's procedure, by a recipe's name"),
        ),
    ),
    Verb(
        name="worker",
        where="worker:worker",
        summary=(
            "Compute some parts of a run's gradients, for a job of an array or any other process that shares the run's "
            "folder."
        ),
        page="cluster.md",
        examples=(("spice worker runs/math --parts 0:64", "a share of a run's gradients, on any machine"),),
    ),
    Verb(
        name="headroom",
        where="headroom:headroom",
        summary=(
            "Say on a sample what a choice could gain on this data, before hours are spent, and which command to run "
            "next."
        ),
        page="headroom.md",
        examples=(
            ("spice headroom train.jsonl --target gsm8k.jsonl", "is there anything to gain? which command is next?"),
        ),
    ),
    Verb(
        name="recipes",
        where="recipes:show_recipes",
        summary="List the recipes: settings to start from, each with what it is for.",
        page="recipes.md",
        examples=(("spice recipes", "the recipes there are"),),
    ),
    Verb(
        name="preview",
        where="preview:preview",
        summary=(
            "Print a few rows as the proxy sees them; what is trained on is green (between ⟦ and ⟧ where there is no "
            "colour)."
        ),
        page="preview.md",
        examples=(("spice preview train.jsonl", "what the proxy is trained on, in colour"),),
    ),
    Verb(
        name="show",
        where="show:show",
        summary="Print the summary of a finished run.",
        page="show.md",
        examples=(("spice show runs/math", "the summary of a run again"),),
    ),
    Verb(
        name="explain",
        where="explain:explain",
        summary="Say of any row of the corpus why it was chosen, rejected or dropped, in words.",
        page="explain.md",
        examples=(("spice explain runs/math 17 train.jsonl:208", "why was this row chosen, rejected or dropped?"),),
    ),
    Verb(
        name="report",
        where="report:report",
        summary="Write the page of a finished run, report.html: what was chosen and why, readable without a network.",
        page="report.md",
        examples=(
            ("spice report runs/math --open", "the run on one page; every select writes it"),
            ("spice report runs/math --figures figures/", "… its figures as PNG and SVG"),
            ("spice report runs/math runs/math-5", "two choices side by side: what each has alone"),
        ),
    ),
    Verb(
        name="suspects",
        where="suspects:suspects",
        summary=(
            "List the rows of a run that give reason to doubt them, each with the reason in words; nothing is dropped."
        ),
        page="suspects.md",
        examples=(("spice suspects runs/math", "rows to look at: repeats, refusals, answers that do not fit"),),
    ),
    Verb(
        name="check model",
        where="check:check_model",
        summary=(
            "Check a model before hours are spent on it: fast engine equals plain autograd, company and order change "
            "nothing, template and mask are sound; and what a run will cost."
        ),
        page="check.md",
        examples=(
            ("spice check model ./Qwen2.5-0.5B --corpus train.jsonl", "fit to be a proxy? how long will it take?"),
        ),
    ),
    Verb(
        name="check run",
        where="check:check_run",
        summary=(
            "Check the theory on a run's own gradients: submodularity, sums of gains, nearness to the optimum, "
            "conflicts."
        ),
        page="check.md",
        examples=(("spice check run runs/math", "does the theory hold here? what do λ, α, ω do?"),),
    ),
    Verb(
        name="transfer",
        where="transfer:transfer",
        summary=(
            "Measure on a sample how far a run's proxy and another model, e.g. the one to be trained, choose the same "
            "rows."
        ),
        page="transfer.md",
        examples=(("spice transfer runs/math --model ./Qwen2.5-7B", "would the target have chosen the same?"),),
    ),
    Verb(
        name="train",
        where="train:train",
        summary=("Fine-tune a target model on the chosen rows, through TRL (pip install 'spice-select[train]')."),
        page="train.md",
        examples=(("spice train runs/math --model ./Qwen2.5-7B", "fine-tune the target on what was chosen"),),
    ),
    Verb(
        name="evaluate",
        where="evaluate:evaluate",
        summary=(
            "Judge models by their response loss on held-out rows, by benchmarks, or both; several stand side by side."
        ),
        page="evaluate.md",
        examples=(("spice evaluate trained/ --held-out test.jsonl", "held-out loss by source; --tasks gsm8k,ifeval"),),
    ),
    Verb(
        name="compare",
        where="compare:compare",
        summary="Let several methods choose under one budget, and say how their choices differ and which are better.",
        page="compare.md",
        examples=(
            ("spice compare train.jsonl --methods random,spice,longest", "what do they choose? at equal tokens"),
            ("spice compare train.jsonl --methods spice --train", "… and does it make a better model than random?"),
        ),
    ),
    Verb(
        name="export",
        where="export:export",
        summary="Write the chosen rows as files that another trainer takes as they are.",
        page="export.md",
        examples=(("spice export runs/math --to trl", "train elsewhere: trl, llamafactory, axolotl, jsonl"),),
    ),
)


def examples(before: str = "") -> str:
    """The commands of all verbs, a line each: the command, then what it does, behind a mark where one is given."""
    lines = [example for verb in VERBS for example in verb.examples]
    width = max(len(command) for command, _ in lines)
    return "\n".join(f"{command:<{width}}  {before}{what}" for command, what in lines)
