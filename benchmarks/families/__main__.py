"""Is every family of models fit to be a proxy? Its own architecture and chat template, made tiny.

    python -m benchmarks.families --templates FOLDER …

Of each: `spice check model`, and a whole run on 60 rows, once on answers and once on preference pairs. Chat templates
are those of the installed TRL, and of folders given besides (axolotl's package has some that TRL has not); a family
whose template is nowhere is named as not tried.
"""

import argparse
import json
import random
import re
import tempfile
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchmarks.families.tiny import FAMILIES, Family, template_of, write_family

from spice_select import select
from spice_select.checks.model import check_model
from spice_select.errors import InputError
from spice_select.run.settings import SelectSettings

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Outcome:
    """What came of a family on rows of one kind: its checks by name and what they found, and its run.

    Each is an error's words where one was raised.
    """

    checks: dict[str, str]
    passed: bool
    notes: tuple[str, ...]
    run: str


@dataclass(frozen=True)
class Tried:
    """A family on answers and on preference pairs."""

    family: str
    architecture: str
    template: str
    answers: Outcome
    pairs: Outcome


def answers(count: int) -> list[dict[str, Any]]:
    """Sums, of one and of two exchanges."""
    draw, made = random.Random(0), []
    for number in range(count):
        a, b, c = (draw.randrange(100) for _ in range(3))
        turns = [("user", f"What is {a} + {b}?"), ("assistant", f"{a} + {b} = {a + b}. " * (1 + number % 3))]
        if number % 4 == 0:
            turns += [("user", f"And {c} more?"), ("assistant", f"Then it is {a + b + c}.")]
        made.append({"messages": _messages(turns), "source": f"s{number % 2}"})
    return made


def pairs(count: int) -> list[dict[str, Any]]:
    """A right sum against a wrong one: one is the longer, some follow another exchange or a system turn.

    They differ in words, for a tiny vocabulary may know no digits, and answers of the same tokens are no pair.
    """
    draw, made = random.Random(1), []
    for number in range(count):
        a, b = (draw.randrange(100) for _ in range(2))
        earlier = [("user", "Can you add?"), ("assistant", "I can.")] if number % 4 == 0 else []
        if number % 5 == 0:
            earlier = [("system", "You add numbers."), *earlier]
        sides = {"prompt": [*earlier, ("user", f"What is {a} + {b}?")]}
        sides["chosen"] = [("assistant", f"{a} + {b} = {a + b}. " * (1 + number % 3))]
        sides["rejected"] = [("assistant", f"I would say {a + b + 1}. " * (1 + number % 2))]
        made.append({**{name: _messages(turns) for name, turns in sides.items()}, "source": f"s{number % 2}"})
    return made


def _messages(turns: list[tuple[str, str]]) -> list[dict[str, str]]:
    return [{"role": role, "content": text} for role, text in turns]


def outcome(model: str, corpus: Path, out: Path) -> Outcome:
    """A model's checks and run on one file of rows."""
    settings = {"model": model, "device": "cpu", "sketch_dim": 256}
    try:
        report = check_model(SelectSettings.from_flat(settings), corpus=str(corpus))
        checks = {check.name: check.sentence for check in report.checks}
        passed, notes = all(check.passed is not False for check in report.checks), report.notes
    except InputError as error:
        checks, passed, notes = {"refused": str(error)}, False, ()
    try:
        summary = select(corpus, out=out, budget="10%", **settings).summary
        run = f"{summary.chosen} of {summary.rows} rows"
    except InputError as error:
        run = f"refused: {error}"
    return Outcome(checks, passed, tuple(notes), run)


def tried(name: str, family: Family, template: str, corpora: dict[str, Path], work: Path) -> Tried:
    """A family's outcome on each kind of rows."""
    model = work / "model"
    write_family(family, template, model)
    found = {kind: outcome(str(model), corpus, work / kind) for kind, corpus in corpora.items()}
    return Tried(name, family.architecture, family.template, **found)


def table(results: list[Tried]) -> str:
    """A line a family, in Markdown: was everything found fit, how far engine and loop differ, what was chosen."""
    kinds = ("answers", "pairs")
    head = ["family", *(f"{kind}: {what}" for kind in kinds for what in ("checks", "engine and loop", "chosen"))]
    lines = [head, ["---"] * len(head)]
    for one in results:
        cells = [one.family]
        for found in (one.answers, one.pairs):
            apart = re.search(r"([\d.e-]+) at most", found.checks.get("engine equals loop", ""))
            cells += ["pass" if found.passed else "FAIL", apart[1] if apart else "", found.run]
        lines.append(cells)
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--templates", type=Path, nargs="*", default=[], help="folders of NAME.jinja")
    options = parser.parse_args()
    trl = find_spec("trl")
    installed = [Path(trl.origin).parent / "chat_templates"] if trl is not None and trl.origin else []
    results, absent = [], []
    with tempfile.TemporaryDirectory() as folder:
        corpora = {kind: Path(folder) / f"{kind}.jsonl" for kind in ("answers", "pairs")}
        for made in (answers, pairs):
            corpora[made.__name__].write_text("".join(json.dumps(row) + "\n" for row in made(60)))
        for place, (name, family) in enumerate(FAMILIES.items()):
            template = template_of(family, [*options.templates, *installed])
            if template is None:
                absent.append(name)
                continue
            results.append(tried(name, family, template, corpora, Path(folder) / str(place)))
            print(table(results[-1:]).splitlines()[-1], flush=True)
    for name in absent:
        print(f"{name}: not tried, its template is in none of the folders")
    RESULTS.mkdir(exist_ok=True)
    written = {"tried": [asdict(one) for one in results], "not tried": absent}
    (RESULTS / "families.md").write_text(table(results))
    (RESULTS / "families.json").write_text(json.dumps(written, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
