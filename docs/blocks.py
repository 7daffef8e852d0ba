"""The blocks of the documentation that are made from the code, between ``<!-- made: NAME -->`` and ``<!-- end -->``.

python docs/blocks.py    writes them; tests/test_docs.py holds them fresh
"""

import ast
import importlib
import inspect
import re
import textwrap
import tomllib
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path

import spice_select
from spice_select.cli import verbs
from spice_select.methods import METHODS, Method
from spice_select.recipes import recipes
from spice_select.run.reasons import REASONS, SUSPECT
from spice_select.run.settings import SelectSettings
from spice_select.settings.base import Group
from spice_select.settings.table import Table

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "spice_select"
WIDTH = 120

RUN_FILES: tuple[tuple[str, str], ...] = (
    ("identity.json", "what decides the result; written first"),
    ("config.yaml", "the settings; replays the run: `spice select --config config.yaml --out elsewhere`"),
    ("target/", "with --target: rows.jsonl (its rows, with task and use) and what the method needs of them"),
    ("gradients/", "what the method needs, in Parquet parts, each with its SHA-256; `losses/`, … likewise"),
    (
        "selected.jsonl",
        "the chosen rows as they came, in the order picked, each with a `spice` object (rank, row, gain)",
    ),
    ("dropped.jsonl", "rows left out before the selection, with reason, detail and the record itself"),
    ("selection.parquet", "the ordered selection: a line a pick, with all that the method knows of it"),
    ("summary.json", "what the terminal prints"),
    ("proxy/", "interleaved runs: the trained adapter (PEFT), steps.jsonl, checkpoints"),
    ("manifest.json", "SHA-256 of corpus and outputs, weights, template, versions, seed, times; makes a run finished"),
    ("report.html", "the run on one page, for a browser; `spice report` writes it again"),
)
"""What lies in a run folder, in the order it comes to be."""

TUNING = ("rules", "alpha", "weight", "budget", "stop", "pools")
"""The tables of the tuning benchmark."""

ROOMS = (
    *("pipeline.py", "settings", "recipes", "progress", "data", "models", "sketch", "store", "executors", "gradients"),
    *("features", "selection", "methods", "schedules", "run", "diagnosis", "checks", "agreement", "outlook"),
    *("training", "export", "report", "evaluation", "comparison", "cli", "testing", "numerics", "errors.py"),
)
"""The order of the map: roughly the way of the data. What is not named here comes last."""


def purpose(path: Path) -> str:
    """The first sentence of the docstring of a module or of a package."""
    source = (path / "__init__.py" if path.is_dir() else path).read_text(encoding="utf-8")
    text = " ".join((ast.get_docstring(ast.parse(source)) or "").split("\n\n")[0].split())
    return re.split(r"(?<=[\w)`])\. ", text)[0].rstrip(".").replace("``", "`")


def rooms() -> list[Path]:
    """The folders and files at the root of the package, in the order of the map."""
    found = [path for path in PACKAGE.iterdir() if (path / "__init__.py").is_file() or path.suffix == ".py"]
    kept = [path for path in found if path.name != "__init__.py"]
    order = {name: place for place, name in enumerate(ROOMS)}
    return sorted(kept, key=lambda path: (order.get(path.name, len(order)), path.name))


def tables() -> Iterator[tuple[str, str, Table]]:
    """Every table of the package: the module it is in, its name there, and the table."""
    for path in sorted(PACKAGE.rglob("*.py")):
        for name in re.findall(r"\b([A-Z_]+)(?:: [^=\n]+)? ?= ?Table\(", path.read_text(encoding="utf-8")):
            parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
            module = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            yield module, name, getattr(importlib.import_module(module), name)


def commands() -> str:
    """The commands of all verbs, each with what it does."""
    return fenced(verbs.examples(before="# "), "sh")


def settings() -> str:
    """Every setting of `spice select` by its flag, with its default and what its declaration says of it."""
    groups = SelectSettings()
    return "\n\n".join(_group(getattr(groups, name)) for name in type(groups).model_fields)


def _group(group: Group) -> str:
    lines = []
    for name, field in type(group).model_fields.items():
        value = getattr(group, name)
        default = "off" if value is False or value == () else "none" if value is None else f"`{value}`"
        what = (field.description or "").replace(METHODS.described(), "See [methods](methods.md)")
        lines.append((f"--{name.replace('_', '-')}", f"(default: {default}) {what}"))
    return f"### {inspect.getdoc(type(group)).splitlines()[0].rstrip('.')}\n\n{listed(lines)}"


def public_names() -> str:
    """What `spice_select` offers, by the place where it is defined: mkdocstrings writes it out."""
    tree = ast.parse((PACKAGE / "__init__.py").read_text(encoding="utf-8"))
    imports = (alias for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for alias in node.names)
    found = [getattr(spice_select, alias.name) for alias in imports if alias.asname]
    kinds: dict[str, list[str]] = {"Functions": [], "Classes": [], "Errors": []}
    for what in sorted(found, key=lambda what: what.__name__):
        kind = "Functions" if not inspect.isclass(what) else "Errors" if issubclass(what, Exception) else "Classes"
        kinds[kind].append(f"::: {what.__module__}.{what.__qualname__}")
    return "\n\n".join("\n\n".join([f"## {kind}", *names]) for kind, names in kinds.items())


def the_map() -> str:
    lines = ["src/spice_select/"]
    for room in rooms():
        name = room.name + ("/" if room.is_dir() else "")
        lines += textwrap.wrap(
            purpose(room), WIDTH, initial_indent=f"  {name:<14}", subsequent_indent=" " * 16, break_on_hyphens=False
        )
    return fenced("\n".join(lines))


def run_tree() -> str:
    return fenced("\n".join(["runs/math/", *(f"  {name:<19}{what}" for name, what in RUN_FILES)]))


def run_table() -> str:
    return "\n".join(["| file | holds |", "|---|---|", *(f"| `{name}` | {what} |" for name, what in RUN_FILES)])


def layers() -> str:
    """The order of imports that `lint-imports` holds: each line may import those below it."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = settings["tool"]["importlinter"]["contracts"]
    lines = next(contract["layers"] for contract in contracts if contract["type"] == "layers")
    wrap = textwrap.TextWrapper(WIDTH, subsequent_indent="    ")
    return fenced("\n".join(wrap.fill(line.replace("spice_select.", "")) for line in lines))


def recipe_table() -> str:
    return listed((recipe.name, recipe.purpose) for recipe in recipes())


def method_table() -> str:
    lines = []
    for method in METHODS:
        reads = ", ".join(f"`--{name.replace('_', '-')}`" for name in sorted(method.reads)) or "none"
        lines.append(f"{method.summary}. Source: {method.source}. Needs: {_needs(method)}. Reads of its own: {reads}.")
    return listed(zip(METHODS.names, lines, strict=True))


def _needs(method: type[Method]) -> str:
    """Features by name and the target; a method that needs no feature loads no model."""
    features, target = method.of(_defaults()).needs(), ("a target",) if method.requires_target else ()
    if features:
        return ", ".join((*features, *target))
    return f"{target[0]}, and no model is loaded" if target else "nothing: no model is loaded"


def parts() -> str:
    """Every table, its entries with what they are."""
    sections = []
    for module, name, table in tables():
        head = f"## {name.capitalize()}\n\n`{module}.{name}`\n\n"
        sections.append(head + listed((entry.name, entry.summary) for entry in table))
    return "\n\n".join(sections)


def _defaults() -> dict[str, object]:
    return SelectSettings().flat()


def reason_list() -> str:
    """Why a row may be left out, and what to do; kinds of suspects have a page of their own."""
    own = [reason for name, reason in REASONS.items() if not name.startswith(SUSPECT)]
    return listed((one.name, f"{one.meaning}. {one.remedy[:1].upper()}{one.remedy[1:]}.") for one in own)


def tuning_table(name: str) -> str:
    """A table that `python -m benchmarks.tuning` wrote."""
    text = (ROOT / "benchmarks" / "tuning" / "results" / "tuning.md").read_text(encoding="utf-8")
    return text.split(f"## {name}\n\n")[1].split("\n\n")[0].rstrip()


def listed(entries: Iterable[tuple[str, str]]) -> str:
    """A list item for each entry, its name first. No line begins with a year and a point, as of a list."""
    wrap = textwrap.TextWrapper(WIDTH, initial_indent="- ", subsequent_indent="  ", break_on_hyphens=False)
    items = (re.sub(r" (\d+\.) ", "\u00a0\\1 ", f"**`{name}`**: {what}") for name, what in entries)
    return "\n".join(map(wrap.fill, items))


def fenced(text: str, language: str = "") -> str:
    return f"```{language}\n{text}\n```"


BLOCKS: dict[str, Callable[[], str]] = {
    "commands": commands,
    "settings": settings,
    "public names": public_names,
    "map": the_map,
    "layers": layers,
    "run folder": run_tree,
    "run files": run_table,
    "recipes": recipe_table,
    "methods": method_table,
    "parts": parts,
    "reasons": reason_list,
    **{f"tuning {name}": partial(tuning_table, name) for name in TUNING},
}
_BLOCK = re.compile(r"(<!-- made: (.+?) -->\n).*?(<!-- end -->)", re.DOTALL)


def pages() -> list[Path]:
    """Every page that may hold blocks."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def made(text: str) -> str:
    """A page with its blocks as the code has them now."""
    return _BLOCK.sub(lambda found: f"{found[1]}\n{BLOCKS[found[2]]()}\n\n{found[3]}", text)


if __name__ == "__main__":
    for page in pages():
        page.write_text(made(page.read_text(encoding="utf-8")), encoding="utf-8")
