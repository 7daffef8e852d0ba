"""One word, one thing: no public name is defined in two files of the package."""

import ast
from collections import defaultdict
from pathlib import Path

import spice_select

ROOT = Path(spice_select.__file__).parent
VERBS = {"check_model", "check_run", "compare", "evaluate", "headroom", "main", "train", "transfer"}
"""A verb of `cli/` and the function that it calls bear one name, and each of two programs has its `main`."""


def public_names(source: str) -> set[str]:
    """What a module defines at its top level for others: classes, functions, constants, aliases."""
    names = set()
    for node in ast.parse(source).body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign):
            names |= {target.id for target in node.targets if isinstance(target, ast.Name)}
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names.add(node.target.id)
    return {name for name in names if not name.startswith("_")}


def test_no_public_name_is_defined_twice() -> None:
    homes: dict[str, list[str]] = defaultdict(list)
    for path in sorted(ROOT.rglob("*.py")):
        for name in public_names(path.read_text(encoding="utf-8")):
            homes[name].append(path.relative_to(ROOT).as_posix())
    twice = {name: files for name, files in homes.items() if len(files) > 1}
    assert {name: files for name, files in twice.items() if name not in VERBS} == {}
    assert set(twice) == VERBS, "a verb that is no longer defined twice needs no exception"


def test_only_the_map_the_errors_and_the_names_lie_at_the_root() -> None:
    assert sorted(path.name for path in ROOT.glob("*.py")) == ["__init__.py", "errors.py", "pipeline.py"]
