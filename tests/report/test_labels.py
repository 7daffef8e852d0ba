"""Sources that begin alike stay apart in figures."""

from types import SimpleNamespace

from spice_select.report.page.labels import distinct_labels
from spice_select.report.sections import atlas, balance
from spice_select.report.several import source_shares_figure
from spice_select.run.summary import Mix

LONG = "data/of/one/folder/with/a/long/name/indeed/"


def test_no_two_labels_are_equal() -> None:
    labels = distinct_labels(
        [f"{LONG}a", f"{LONG}b", "", "(none)", "others", "b\x1b", "b␛"], 30, empty="(none)", taken=["others"]
    )
    assert len(set(labels)) == 7
    assert labels[2:] == ["(none)", "(2) (none)", "(2) others", "b␛", "(2) b␛"]
    assert labels[0].startswith("data/of/one/folder/with/a/long … (cut: ")
    assert labels[1] == f"(2) {labels[0]}"


def test_shares_of_sources_that_begin_alike_are_of_each() -> None:
    figure = source_shares_figure({"one": {f"{LONG}a": 6, f"{LONG}b": 2}, "two": {f"{LONG}b": 3}})
    shares = {(row["choice"], row["source"].startswith("(2)")): row["share"] for row in figure.rows}
    assert shares == {("one", False): 0.75, ("one", True): 0.25, ("two", False): 0, ("two", True): 1}


def test_the_map_keeps_sources_apart_that_begin_alike_or_are_called_as_its_own_groups() -> None:
    sources = [f"{LONG}a", f"{LONG}b", "target", "others"]
    records = [{"group": source, "outcome": "chosen"} for source in sources]
    named = atlas._grouped(records)
    assert len(set(named)) == 4
    assert len({record["group"] for record in records}) == 4
    assert not {"target", "others"} & set(named)


def test_before_and_after_has_bars_and_words_for_each() -> None:
    mix = [
        Mix(source=f"{LONG}{end}", rows=10, tokens=10, chosen_rows=chosen, chosen_tokens=chosen)
        for end, chosen in (("a", 4), ("b", 1))
    ]
    summary = SimpleNamespace(mix=mix, usable=20, chosen=5)
    figure = balance._sources(SimpleNamespace(summary=summary))
    assert len({(row["source"], row["side"]) for row in figure.rows}) == 4
    assert "Lost most: (2) data/of" in figure.words
