"""What to mind before a model is trained on this: notes of the run and signs of its gradients, each with a command."""

import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spice_select.diagnosis.warning_signs import Sign
from spice_select.errors import InputError
from spice_select.report.material import RunMaterial, filled
from spice_select.report.page import Section
from spice_select.run.files import CONFIG
from spice_select.run.pairs import is_of_marks
from spice_select.run.settings import SelectSettings


@dataclass(frozen=True, kw_only=True)
class Remark:
    """Something to mind, and the command that answers it; "" where none does."""

    sentence: str
    remedy: str = ""


def warnings_section(material: RunMaterial) -> Section:
    """Notes of the run, signs of its gradients, and what only another model can tell."""
    found, told = _signs(material)
    aimed = bool(material.settings.target.target)
    warned = [Remark(sentence=f"{one.sentence} {one.warning}", remedy=remedy(one.warning, material)) for one in found]
    remarks = [Remark(sentence=note, remedy=remedy(note, material)) for note in material.summary.notes]
    remarks += [remark for remark, sign in zip(warned, found, strict=True) if sign.warning and not aimed]
    body = filled(
        "warnings.html",
        remarks=remarks,
        quiet=[one.sentence for one in found if aimed or not one.warning],
        aimed=aimed,
        told=told,
        check=_check(material),
        family=_family(material),
    )
    return Section(name="warnings", title="What to mind", body=body)


def remedy(sentence: str, material: RunMaterial) -> str:
    """The command that a sentence asks for by naming a verb, a setting or what was not read; "" for none."""
    named = re.search(r"`(spice [^`]+)`", sentence)
    if named:
        return named[1]
    target = re.match(r"Target (.+?): ", sentence)
    for flag, words in re.findall(r"--([a-z][a-z-]*)((?: [\w%][\w%.-]*){0,3})", sentence):
        if re.search(rf"\bLeave --{flag} out\b", sentence):
            return ""  # a config has no word for a setting left out
        if flag.replace("-", "_") in _SETTINGS and not (target and flag in _OF_THE_CORPUS):
            return _again(flag, [word.strip(".,") for word in words.split()], material)
    if re.search(r"\b(Not read|template|not trained on)\b", sentence):
        return shlex.join(["spice", "preview", target[1] if target else material.corpus_name])
    return ""


_SETTINGS = SelectSettings().flat()
_OF_THE_CORPUS = ("split", "subset", "format")
"""Settings that reach no target."""


def _again(flag: str, words: list[str], material: RunMaterial) -> str:
    """The run again with another setting, by the words that follow it; a value that is none is left to the reader.

    One word is taken where the setting is no list; else as many as it takes.
    """
    run, name = material.run.path, flag.replace("-", "_")
    if isinstance(_SETTINGS[name], bool):  # a word behind it is the sentence's; and where it is on, it asks for nothing
        on = material.settings.flat()[name]
        return "" if on else shlex.join(["spice", "select", "--config", str(run / CONFIG), f"--{flag}", *_aside(run)])
    several = [tuple(words[:count]) for count in range(len(words), 0, -1)]
    value = next((value for value in (*words[:1], *several) if _is_value(name, value)), "VALUE")
    told = (value,) if isinstance(value, str) else value
    return shlex.join(["spice", "select", "--config", str(run / CONFIG), f"--{flag}", *told, *_aside(run)])


def _aside(run: Path) -> list[str]:
    return ["--out", f"{run}-again"]


def _is_value(name: str, value: Any) -> bool:
    try:
        SelectSettings.from_flat({name: value})
    except InputError:
        return False
    return True


def _signs(material: RunMaterial) -> tuple[list[Sign], str]:
    """The signs, or why they are not here."""
    return ([], material.signs) if isinstance(material.signs, str) else (material.signs, "")


def _check(material: RunMaterial) -> str:
    return shlex.join(["spice", "check", "run", str(material.run.path)]) if material.summary.judged else ""


def _family(material: RunMaterial) -> Remark | None:
    """Whether the model to be trained would have chosen the same: nothing here can know."""
    if material.summary.judged is None or is_of_marks(material.run):
        return None
    return Remark(
        sentence=f"The gradients are those of {material.identity['model']}. Whether the model that you will train, of "
        "another size or family, would have chosen the same rows is not known here; it can be measured on a sample.",
        remedy=shlex.join(["spice", "transfer", str(material.run.path), "--model", "MODEL"]),
    )
