"""Each warning names a command that can be run as it stands."""

import pytest

from spice_select.report.material import RunMaterial
from spice_select.report.sections.warnings import remedy
from spice_select.run.finished import Run
from spice_select.run.summary import Mix, _source_note


@pytest.mark.parametrize(
    ("sentence", "command"),
    [
        ("Compare with `--normalise unit`, which leaves length out.", "--normalise unit --out"),
        ("Compare with --method information, and with random rows.", "--method information --out"),
        (
            "so it is. --without-suspects duplicate near-duplicate leaves out those that repeat; --objective log-det",
            "--without-suspects duplicate near-duplicate --out",
        ),
        ("--max-per-prompt 2 or fewer", "--max-per-prompt 2 --out"),
        ("5 rows were cut at the maximum length; --max-length may be raised.", "--max-length VALUE --out"),
        ("ask for it with `spice suspects RUN --learnability`", "spice suspects RUN --learnability"),
        ("Not read: row fields `id` (116 rows).", "spice preview"),
        ("Target /x/dev.jsonl: Not read: row fields `id` (19 rows).", "spice preview /x/dev.jsonl"),
        ("Turns that the chat template does not show: 3 rows.", "spice preview"),
        ("Target dev/: The split train is read; left out: test. Another is chosen with --split.", ""),
        ("contradicting rows are left out; --keep-contradictions asks for them", "--keep-contradictions --out"),
        ("--objective log-det does not aim at the target. Leave --objective out to aim.", ""),
        ("The picks explain 9.1% of all rows' gradients.", ""),
    ],
)
def test_a_sentence_that_names_a_setting_has_its_command(run: Run, sentence: str, command: str) -> None:
    found = remedy(sentence, RunMaterial(run))
    assert command in found
    assert bool(found) == bool(command)


def test_a_source_that_swallows_the_budget_is_named() -> None:
    def mix(source: str, tokens: int, chosen: int) -> Mix:
        return Mix(source=source, rows=10, tokens=tokens, chosen_rows=3, chosen_tokens=chosen)

    (note,) = _source_note([mix("code", 10, 80), mix("talk", 90, 20)], in_pools=False, aimed=False)
    assert "code, has 80% of the chosen tokens" in note
    assert "10% of the pool's" in note
    assert "`--per-source-max 0.5`" in note
    (wanted,) = _source_note([mix("code", 10, 80), mix("talk", 90, 20)], in_pools=False, aimed=True)
    assert "--" not in wanted, "a target of that source's kind asks for it"
    (spread,) = _source_note([mix("code", 10, 80), mix("talk", 90, 20)], in_pools=True, aimed=False)
    assert "--" not in spread, "pools take no shares of sources"
    assert _source_note([mix("code", 45, 80), mix("talk", 55, 20)], in_pools=False, aimed=False) == []
    assert _source_note([mix("code", 10, 10)], in_pools=False, aimed=False) == []
    assert _source_note([mix("code", 0, 0), mix("talk", 0, 0)], in_pools=False, aimed=False) == []
