"""Finished runs side by side on one page: what differs, how their choices overlap, what each has alone."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from spice_select.errors import InputError
from spice_select.numerics.proven import rounded_down
from spice_select.report.material import RunMaterial
from spice_select.report.page import (
    Cell,
    Fold,
    Grid,
    Heading,
    Headline,
    Page,
    Section,
    composed,
    composed_section,
    cut,
    number_cell,
    page_html,
    written_by,
)
from spice_select.report.page.pieces import PagePiece
from spice_select.report.sections.verdict import spent
from spice_select.report.several.overlap import MOST_OVERLAPS, overlap_figure
from spice_select.report.several.shares import source_shares_figure
from spice_select.run.finished import Run
from spice_select.run.identity import package_version
from spice_select.settings.counted import counted
from spice_select.store import write_text

_ALONE = 100  # rows of a run's own that are listed


def write_side_by_side(runs: Sequence[Run], out: Path) -> Path:
    """Write a page of several runs. Rows are the same where their content is, whatever corpus they came from.

    Raises:
        InputError: fewer than two runs, one twice, more than a figure has room for; or as `write_report`.
    """
    places = [run.path.resolve() for run in runs]
    if len(set(places)) < len(places):
        twice = next(place for place in places if places.count(place) > 1)
        raise InputError(f"{twice}: given twice. Name each run once.")
    if not 1 < len(runs) <= MOST_OVERLAPS:
        raise InputError(f"{len(runs)} runs: a page of several has room for 2 to {MOST_OVERLAPS}.")
    materials = dict(zip(_names(places), map(RunMaterial, runs), strict=True))
    hashes = {name: [str(one) for one in material.picks["sha256"]] for name, material in materials.items()}
    page = Page(
        title=f"{len(runs)} choices side by side",
        subtitle=" · ".join(materials),
        lead=composed(_lead(hashes)),
        sections=[
            _numbers_section(materials),
            composed_section("mixes", "What they are made of", [source_shares_figure(_sources(materials))]),
            composed_section("overlaps", "What they share", [overlap_figure(_overlap(hashes))]),
            _alone_section(materials, hashes),
            _settings_section(materials),
        ],
        footer=written_by(package_version("spice-select"), *places),
    )
    write_text(out, page_html(page))
    return out


def _names(places: Sequence[Path]) -> list[str]:
    """As short as tells them apart."""
    parts = 1
    while len({place.parts[-parts:] for place in places}) < len(places):
        parts += 1
    return [str(Path(*place.parts[-parts:])) for place in places]


def _lead(hashes: Mapping[str, Sequence[str]]) -> list[PagePiece]:
    chosen = [set(one) for one in hashes.values()]
    shared, either = set.intersection(*chosen), set.union(*chosen)
    who = "Both" if len(chosen) == 2 else f"All {len(chosen)}"
    return [
        Headline(f"{who} chose {counted(len(shared), 'row')} in common, of {len(either):,} that any chose."),
        "Rows count as the same where their content is the same, whatever corpus they came from.",
    ]


def _numbers_section(materials: Mapping[str, RunMaterial]) -> Section:
    rows = [[Cell(name), *_numbers(material)] for name, material in materials.items()]
    tasks = _tasks(materials)
    titles = ("rows", "trained tokens", "median", "information", "random", "certified", "opposed", "time")
    columns = [Heading(title="run"), Heading(title="method"), *(Heading(title=one, number=True) for one in titles)]
    grid = Grid(name="numbers", caption="The runs in numbers", columns=columns, rows=rows)
    pieces: list[PagePiece] = [grid]
    if tasks:
        pieces.append(_targets(materials, tasks))
    notes = [f"{name}: {note}" for name, material in materials.items() for note in material.summary.notes]
    if notes:
        pieces.append(Fold("What the runs noted", notes))
    return composed_section("numbers-of-runs", "In numbers", pieces)


def _numbers(material: RunMaterial) -> list[Cell]:
    summary, judged = material.summary, material.summary.judged
    seconds = sum(summary.seconds.values())
    return [
        Cell(summary.method),
        Cell(f"{summary.chosen:,}", summary.chosen),
        Cell(f"{summary.chosen_supervised:,}", summary.chosen_supervised),
        Cell(f"{summary.chosen_median_response:,.0f}", summary.chosen_median_response),
        number_cell(None if judged is None else judged.information, "{:.4g}"),
        Cell("" if judged is None else f"{judged.random_mean:.4g} ± {judged.random_std:.2g}"),
        number_cell(None if judged is None else rounded_down(judged.certified), "{:.1%}"),
        number_cell(None if judged is None else judged.conflicting, "{:.0%}"),
        Cell(spent(seconds), seconds),
    ]


def _tasks(materials: Mapping[str, RunMaterial]) -> list[str]:
    judged = [material.summary.judged for material in materials.values()]
    return list(dict.fromkeys(one.task for found in judged if found is not None for one in found.target))


def _targets(materials: Mapping[str, RunMaterial], tasks: Sequence[str]) -> Grid:
    rows = []
    for name, material in materials.items():
        judged = material.summary.judged
        known = {} if judged is None else {one.task: one for one in judged.target}
        cells = [
            Cell(f"{one.share:.1%} (random {one.random_mean:.1%})", one.share) if (one := known.get(task)) else Cell("")
            for task in tasks
        ]
        rows.append([Cell(name), *cells])
    columns = [Heading(title="run"), *(Heading(title=task or "target", number=True) for task in tasks)]
    return Grid(name="targets", caption="What the picks explain of the target's gradients", columns=columns, rows=rows)


def _sources(materials: Mapping[str, RunMaterial]) -> dict[str, dict[str, int]]:
    return {name: {one.source: one.chosen_rows for one in material.summary.mix} for name, material in materials.items()}


def _overlap(hashes: Mapping[str, Sequence[str]]) -> dict[str, dict[str, float]]:
    sets = {name: set(one) for name, one in hashes.items()}
    return {
        name: {other: len(own & theirs) / len(own | theirs) for other, theirs in sets.items() if other != name}
        for name, own in sets.items()
    }


def _alone_section(materials: Mapping[str, RunMaterial], hashes: Mapping[str, Sequence[str]]) -> Section:
    pieces: list[PagePiece] = []
    for place, (name, material) in enumerate(materials.items()):
        others = set[str]().union(*(one for other, one in hashes.items() if other != name))
        alone = [spot for spot, one in enumerate(hashes[name]) if one not in others]
        if not alone:
            pieces.append(f"{name} has no row that no other chose.")
            continue
        pieces.append(_alone_grid(f"alone-{place}", name, material, alone))
    return composed_section("alone", "What each has alone", pieces)


def _alone_grid(anchor: str, name: str, material: RunMaterial, alone: Sequence[int]) -> Grid:
    listed = [spot for spot in alone if spot in material.words][:_ALONE]
    rows = []
    for spot in listed:
        words, rank, row = material.words[spot], int(material.picks["rank"][spot]), int(material.picks["row"][spot])
        rows.append([Cell(f"{rank:,}", rank), Cell(f"{row}", row), words.cell, Cell(cut(words.source, 60))])
    return Grid(
        name=anchor,
        caption=f"{name}: {len(alone):,} of {material.chosen:,} rows that no other chose",
        note=f"{len(listed):,} of them are listed." if len(listed) < len(alone) else "",
        columns=[
            Heading(title="rank", number=True),
            Heading(title="row", number=True),
            Heading(title="what it says", wide=True),
            Heading(title="source"),
        ],
        rows=rows,
        live=True,
    )


def _settings_section(materials: Mapping[str, RunMaterial]) -> Section:
    """The settings and fingerprints in which the runs differ."""
    facts = {name: {**material.settings.flat(), **_fingerprints(material)} for name, material in materials.items()}
    keys = list(dict.fromkeys(key for one in facts.values() for key in one))
    apart = [key for key in keys if len({str(one.get(key)) for one in facts.values()}) > 1]
    if not apart:
        return composed_section("differences", "Settings that differ", ["None: the same was asked of the same rows."])
    grid = Grid(
        name="settings",
        caption="Settings and fingerprints in which the runs differ",
        columns=[Heading(title="setting"), *(Heading(title=name) for name in facts)],
        rows=[[Cell(key), *(Cell(cut(str(one.get(key)), 60)) for one in facts.values())] for key in apart],
    )
    return composed_section("differences", "Settings that differ", [grid])


def _fingerprints(material: RunMaterial) -> dict[str, Any]:
    names = (
        *("corpus_sha256", "target_sha256", "model_weights_sha256", "model_files_sha256", "model_commit"),
        *("chat_template_sha256", "device", "dtype"),
    )
    known = {name: material.identity[name] for name in names if name in material.identity}
    versions = {name: value for name, value in material.identity.items() if name.startswith("version_")}
    return {"corpus": material.corpus_name, **known, **versions}
