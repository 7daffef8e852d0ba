"""Settings to start from, as YAML: `spice select --config NAME` takes one, `spice recipes` lists them."""

from dataclasses import dataclass
from pathlib import Path

from spice_select.errors import InputError, nearest

FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Recipe:
    """A file of settings that ships with the package.

    Attributes:
        name: what `--config` calls it.
        path: the file.
        purpose: its first sentence.
    """

    name: str
    path: Path
    purpose: str


def recipes() -> list[Recipe]:
    """All that ship, by name."""
    return [
        Recipe(path.stem, path, _purpose(path)) for path in sorted(FOLDER.glob("*.yaml"), key=lambda path: path.stem)
    ]


def config_path(given: str) -> Path:
    """The file that `--config` means: the one of that path, else the recipe of that name.

    Raises:
        InputError: neither is there.
    """
    path, known = Path(given).expanduser(), {recipe.name: recipe.path for recipe in recipes()}
    if path.is_file():
        return path
    if given in known:
        return known[given]
    raise InputError(
        f"--config {given}: no such file, and no recipe of that name. Recipes are {', '.join(known)}."
        f"{nearest(given, known)}"
    )


def _purpose(path: Path) -> str:
    """The first sentence of the comment at the head of the file."""
    lines = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            break
        lines.append(line.lstrip("# "))
    return " ".join(lines).split(". ")[0].split(" Run with:")[0].rstrip(".") + "."
