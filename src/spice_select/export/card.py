"""The dataset card of an export: what the rows were selected from, how, and by which hashes it can be checked."""

import json
from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

import yaml

from spice_select.data.formats import PREFERENCE
from spice_select.data.printable import printable
from spice_select.export.base import Origin
from spice_select.export.script import SCRIPT
from spice_select.methods import METHODS
from spice_select.methods.spice import Spice
from spice_select.settings.counted import counted

_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
_HOW = (
    "method",
    "budget",
    "objective",
    "schedule",
    "pool_size",
    "target_rows",
    "hold_out_target",
    "alpha",
    "conflict_weight",
    "normalise",
    "row_weight",
    "stop_ratio",
    "token_price",
    "per_source_min",
    "per_source_max",
    "seed",
    "proxy_seed",
    "loss",
    "pair_gradient",
    "pair_tail",
    "lora_rank",
    "sketch",
    "sketch_dim",
    "max_length",
    "format",
)
_HASHES = ("corpus_sha256", "target_sha256", "model_weights_sha256", "model_commit", "chat_template_sha256")


def card(origin: Origin, *, rows: int, columns: str, data: str, kind: str = "instruction-tuning") -> str:
    """The card, with the front matter that the hub and `datasets.load_dataset` read.

    Args:
        origin: where the rows come from.
        rows: how many there are.
        columns: what the columns hold and how they are trained on, in Markdown.
        data: the file of the rows.
        kind: what such rows are for, as a tag.
    """
    identity = _of_its_kind(origin.identity)
    how = _table({name: identity[name] for name in _HOW if identity.get(name) not in _silent(name)})
    hashes = _table(
        {
            "selected rows (selected.jsonl)": origin.selected_sha256,
            **{name: identity[name] for name in _HASHES if identity.get(name)},
        }
    )
    return f"""\
{_front_matter(rows, data, kind)}
# {counted(rows, "row")} chosen from {identity["corpus_rows"]:,}

Selected from `{_public(origin.corpus)}` ({counted(identity["corpus_rows"], "row")}) by spice-select {origin.version}:
{_rule(identity)}. {_left_out(origin.chosen - rows)}The rows are in the
order picked. Their licence is that of the corpus.

## Columns

{columns}
`{SCRIPT}` trains with that loss. `tools` (JSON text), `source` and `spice` are there where the rows have them.
{_not_exported(origin)}
## In numbers

{_numbers(origin)}
{_sources(origin)}
## How they were chosen

{how}

## Hashes (SHA-256)

{hashes}

`export.json` holds the hash of every file here and all facts of the run.
"""


def _of_its_kind(identity: Mapping[str, Any]) -> dict[str, Any]:
    """The facts that were read: tokens of pairs count by their gradient, not by the loss of single answers."""
    pairs = identity.get("format") == PREFERENCE.name
    return {"pair_gradient": "sum", **identity, "loss": None} if pairs else dict(identity)


def _silent(name: str) -> tuple[object, ...]:
    """Values of a fact that are not told: of the target's, that there was none."""
    return (None, "", 0) if "target" in name else (None, "")


def _rule(identity: Mapping[str, Any]) -> str:
    """What the rows were picked by, in words."""
    gradients = f"the per-sample gradients of the proxy `{_public(identity['model'])}`"
    pools = " in each pool" if identity["schedule"] != "global" else ""
    if identity["method"] == "random":
        return f"at random{pools}, as a control"
    if identity["method"] in ("top-norm", "spice-official"):
        return f"the largest of {gradients}{pools}, as a control"
    rows = identity.get("target_rows") or 0
    aim = f" for a target of {counted(rows, 'row')}" if rows else ""
    if not issubclass(METHODS[identity["method"]], Spice):
        return f"`--method {identity['method']}`{pools}{aim} ({METHODS[identity['method']].source})"
    penalty = ", less a\npenalty on gradient conflict" if identity["conflict_weight"] else ""
    penalty += " with the picks and with the target" if penalty and rows else ""
    goal = _GOALS[identity["objective"]]
    return f"greedy maximisation of\n{goal} over {gradients}{penalty}{aim} (after SPICE, arXiv 2601.23155)"


_GOALS = {
    "log-det": "log det(I + αΣ g gᵀ)",
    "target-variance": "the drop in Σ_y g_yᵀ(I + αΣ g gᵀ)⁻¹g_y over all rows y",
    "distinct-variance": "the drop in Σ_y g_yᵀ(I + αΣ g gᵀ)⁻¹g_y over all rows y, copies counted once where many rows "
    "have one,",
    "matched-step": "the cosine of a trainer's step on the picks with the target's own,",
    "target-information": "what the picks take from the uncertainty Σ_y g_yᵀ(I + αΣ g gᵀ)⁻¹g_y about the rows y of "
    "the target,\nits tasks in balance,",
}
"""Objective → what is maximised, in words."""


COMPLETIONS = """\
`prompt` (the turns before the answer) and `completion` (the answer): TRL's `SFTTrainer` trains on the completion alone,
by default and under any chat template. That includes whatever the template writes after the end of turn, often a line
end, which the selection left out.
"""
CONVERSATIONS = """\
`messages`, a list of turns. TRL's `SFTTrainer` trains on **all of it, questions included**, unless
`assistant_only_loss=True`, which needs a chat template with `{% generation %}` marks. TRL keeps such templates for
common families and swaps them in; for others it refuses to start.
"""


def _front_matter(rows: int, data: str, kind: str) -> str:
    size = next((name for limit, name in _SIZES if rows < limit), "n>1M")
    facts = {
        "configs": [{"config_name": "default", "data_files": [{"split": "train", "path": data}]}],
        "size_categories": [size],
        "tags": ["spice-select", kind, "data-selection"],
        "task_categories": ["text-generation"],
    }
    return f"---\n{yaml.safe_dump(facts, sort_keys=False)}---\n"


def _public(name: str) -> str:
    """A hub id as it is; of a path on somebody's disk the last part alone, since cards are published."""
    path = Path(name)
    is_path = path.is_absolute() or name.startswith((".", "~")) or name.count("/") > 1 or "\\" in name or path.exists()
    return path.name if is_path else name


def _not_exported(origin: Origin) -> str:
    names = ", ".join(f"`{name}`" for name in origin.not_exported)
    return f"Fields of the corpus that are not here: {names}.\n" if names else ""


def _left_out(count: int) -> str:
    return f"{count:,} chosen rows could not be expressed and lie in `left_out.jsonl`. " if count else ""


def _numbers(origin: Origin) -> str:
    """The numbers that the run's page is headed by."""
    lines = [f"| {number.name} | **{number.value}** | {number.meaning} |" for number in origin.numbers]
    return "\n".join(["| | | |", "|---|---:|---|", *lines, ""])


def _sources(origin: Origin) -> str:
    """What the rows are made of, where the corpus names more than one source."""
    if len(origin.mix) < 2:
        return ""
    lines = [
        f"| {_cell(one.source) or '(none)'} | {one.rows:,} | {one.chosen_rows:,} | {one.tokens:,} | "
        f"{one.chosen_tokens:,} |"
        for one in origin.mix
    ]
    head = "| source | rows of the corpus | chosen | trained tokens of the corpus | chosen |"
    return "\n".join([head, "|---|---:|---:|---:|---:|", *lines, ""])


def _cell(text: str) -> str:
    """Words of the data as they may stand in a cell: inert, on one line."""
    return escape(printable(" ".join(text.split()))).replace("|", "\\|")


def _table(facts: dict[str, object]) -> str:
    lines = [
        f"| {name} | `{value if isinstance(value, str) else json.dumps(value)}` |" for name, value in facts.items()
    ]
    return "\n".join(["| | |", "|---|---|", *lines])
