"""Is every family of models fit to be a proxy? Its own architecture and chat template, made tiny.

    python -m benchmarks.families --templates FOLDER …

Of each: `spice check model`, and a whole run on 60 rows. Chat templates are those of the installed TRL, and of folders
given besides (axolotl's package has some that TRL has not); a family whose template is nowhere is named as not tried.
"""

import argparse
import json
import random
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
class Tried:
    """What came of a family: its checks by name and what they found, and its run, each an error's words if one."""

    family: str
    architecture: str
    template: str
    checks: dict[str, str]
    passed: bool
    notes: tuple[str, ...]
    run: str


def rows(count: int) -> list[dict[str, Any]]:
    """Sums, of one and of two exchanges, some with a system turn."""
    draw, made = random.Random(0), []
    for number in range(count):
        a, b, c = (draw.randrange(100) for _ in range(3))
        turns = [("user", f"What is {a} + {b}?"), ("assistant", f"{a} + {b} = {a + b}. " * (1 + number % 3))]
        if number % 4 == 0:
            turns += [("user", f"And {c} more?"), ("assistant", f"Then it is {a + b + c}.")]
        made.append({"messages": [{"role": role, "content": text} for role, text in turns], "source": f"s{number % 2}"})
    return made


def tried(name: str, family: Family, template: str, corpus: Path, work: Path) -> Tried:
    """A family's checks and run."""
    model = str(work / "model")
    write_family(family, template, Path(model))
    settings = {"model": model, "device": "cpu", "sketch_dim": 256}
    try:
        report = check_model(SelectSettings.from_flat(settings), corpus=str(corpus))
        checks = {check.name: check.sentence for check in report.checks}
        passed, notes = all(check.passed is not False for check in report.checks), report.notes
    except InputError as error:
        checks, passed, notes = {"refused": str(error)}, False, ()
    try:
        summary = select(corpus, out=work / "run", budget="10%", **settings).summary
        run = f"{summary.chosen} of {summary.rows} rows"
    except InputError as error:
        run = f"refused: {error}"
    return Tried(name, family.architecture, family.template, checks, passed, tuple(notes), run)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--templates", type=Path, nargs="*", default=[], help="folders of NAME.jinja")
    options = parser.parse_args()
    trl = find_spec("trl")
    installed = [Path(trl.origin).parent / "chat_templates"] if trl is not None and trl.origin else []
    results, absent = [], []
    with tempfile.TemporaryDirectory() as folder:
        corpus = Path(folder) / "rows.jsonl"
        corpus.write_text("".join(json.dumps(row) + "\n" for row in rows(60)))
        for place, (name, family) in enumerate(FAMILIES.items()):
            template = template_of(family, [*options.templates, *installed])
            if template is None:
                absent.append(name)
                continue
            results.append(tried(name, family, template, corpus, Path(folder) / str(place)))
            print(f"{name}: {'passed' if results[-1].passed else 'FAILED'}; {results[-1].run}", flush=True)
    for name in absent:
        print(f"{name}: not tried, its template is in none of the folders")
    RESULTS.mkdir(exist_ok=True)
    written = {"tried": [asdict(one) for one in results], "not tried": absent}
    (RESULTS / "families.json").write_text(json.dumps(written, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
