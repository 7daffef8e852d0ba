"""The documentation as a site: no link or anchor leads nowhere, and nothing in it is fetched from a network."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built strictly: mkdocs gives up where it warns."""
    pytest.importorskip("material", reason="the site is not built: pip install -e '.[docs]'")
    from mkdocs.commands.build import build
    from mkdocs.config import load_config

    folder = tmp_path_factory.mktemp("site")
    config = load_config(str(ROOT / "mkdocs.yml"), site_dir=str(folder), strict=True)
    config.plugins.on_startup(command="build", dirty=False)
    build(config)
    return folder


def test_every_page_of_the_documentation_is_in_it(site: Path) -> None:
    pages = [page.relative_to(ROOT / "docs") for page in (ROOT / "docs").rglob("*.md")]
    assert len(pages) > 40
    assert all((site / page.with_suffix(".html")).is_file() for page in pages)
    assert (site / "CHANGELOG.html").is_file()


def test_nothing_is_fetched_from_elsewhere(site: Path) -> None:
    fetched = re.compile(r"<(?:script|img|iframe|link)\b[^>]*?\b(?:src|href)=[\"']?(?:https?:)?//[^>]*>")
    for page in site.rglob("*.html"):
        assert fetched.findall(page.read_text(encoding="utf-8")) == [], page
    for style in site.rglob("*.css"):
        assert not re.search(r"url\([\"']?(?:https?:)?//|@import", style.read_text(encoding="utf-8")), style


def test_links_hold_in_a_folder_and_so_does_the_search(site: Path) -> None:
    """No link ends in a folder, which only a server makes a page of; the index is a script, which a page can load."""
    for page in site.rglob("*.html"):
        assert not re.search(r"<a [^>]*href=\"(?!https?:)[^\"#]*/\"", page.read_text(encoding="utf-8")), page
    assert (site / "search" / "search_index.js").stat().st_size > 100_000
    assert '<script src="site/iframe-worker.js"></script>' in (site / "index.html").read_text(encoding="utf-8")


def test_the_public_names_are_documented(site: Path) -> None:
    text = (site / "api.html").read_text(encoding="utf-8")
    for name in ("pipeline.select", "selection.greedy.greedy", "run.finished.Run", "errors.InputError"):
        assert f'id="spice_select.{name}"' in text, name
