"""What was asked in full, and the fingerprints of what it was made from."""

from spice_select.report.material import RunMaterial, filled
from spice_select.report.page import Cell, Grid, Heading, Section, cut
from spice_select.run.files import CONFIG
from spice_select.run.settings import SelectSettings


def provenance_section(material: RunMaterial) -> Section:
    """Every setting, and every hash and version that decides the result or vouches for it."""
    body = filled("provenance.html", grids=[_settings(material), _fingerprints(material)], config=CONFIG)
    return Section(name="provenance", title="Settings and fingerprints", body=body)


def _settings(material: RunMaterial) -> Grid:
    changed = {*material.settings.changed()}
    asked = sorted(material.settings.flat().items(), key=lambda item: item[0] not in changed)
    return Grid(
        name="settings",
        caption="Settings, those first that differ from their defaults.",
        columns=[Heading(title="setting"), Heading(title="value", wide=True), Heading(title="default", wide=True)],
        rows=[
            [Cell(f"--{name.replace('_', '-')}"), Cell(_shown(value)), Cell(_shown(_DEFAULTS[name]))]
            for name, value in asked
        ],
        live=True,
    )


_DEFAULTS = SelectSettings().flat()


def _fingerprints(material: RunMaterial) -> Grid:
    manifest, identity = material.manifest, material.identity
    facts = {
        "corpus": manifest["corpus"]["name"],
        "corpus file, SHA-256": manifest["corpus"]["sha256"],
        "corpus rows, SHA-256": identity["corpus_sha256"],
        "proxy": identity["model"],
        "proxy weights, SHA-256": identity["model_weights_sha256"],
        "proxy configuration and tokenizer, SHA-256": identity["model_files_sha256"],
        "proxy commit": identity["model_commit"],
        "chat template, SHA-256": identity["chat_template_sha256"],
        "target, SHA-256": identity.get("target_sha256"),
        "row format": identity["format"],
        "device, precision": f"{identity['device']}, {identity['dtype']}",
        **{f"{name}, SHA-256": digest for name, digest in manifest["outputs"].items()},
        **{f"{name}, version": version for name, version in manifest["versions"].items()},
        "finished": manifest["finished"],
    }
    return Grid(
        name="fingerprints",
        caption="What the result was made from, and what came out.",
        columns=[Heading(title="what"), Heading(title="fingerprint", wide=True)],
        rows=[[Cell(name), Cell(_shown(value))] for name, value in facts.items() if value],
    )


def _shown(value: object) -> str:
    if value is None or value == [] or value == "":
        return "–"
    return cut(", ".join(map(str, value)) if isinstance(value, list) else str(value), 300)
