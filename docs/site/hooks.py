"""Files of the repository that pages link to, outside of docs/: they come into the site, and the links follow them."""

from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[2]
CARRIED = (
    "CHANGELOG.md",
    "benchmarks/evidence/results/figures/T1-target-mbpp.svg",
    "benchmarks/evidence/results/figures/T3-noise-40-across.svg",
    "benchmarks/evidence/results/figures/T3-rivals-swapped-across.svg",
    "benchmarks/evidence/results/figures/T4-redundant.svg",
    "benchmarks/evidence/results/figures/T5-like-the-pool-1-budgets.svg",
    "benchmarks/evidence/results/figures/T5-like-the-pool.svg",
    "benchmarks/evidence/results/figures/T6-every-method-1.svg",
    "benchmarks/evidence/results/figures/T6-every-method-2.svg",
    "benchmarks/fidelity/results/smollm2.svg",
    "benchmarks/selection/README.md",
    "benchmarks/selection/growth.svg",
    "benchmarks/selection/shapes.md",
)


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Carry them in, each at its place below the repository's root."""
    for name in CARRIED:
        files.append(File.generated(config, name, abs_src_path=str(ROOT / name)))
    return files


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """A page of docs/ says ``../NAME``, which is right in the repository; in the site both have one root."""
    up = "../" * page.file.src_uri.count("/")
    for name in CARRIED:
        markdown = markdown.replace(f"](../{up}{name}", f"]({up}{name}")
    return markdown
