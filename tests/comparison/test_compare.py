"""Several methods on a tiny proxy: equal tokens, one store of features, resumed arm by arm."""

import contextlib
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

import spice_select
from spice_select.comparison import costs
from spice_select.comparison.arms import Contender, meaning_of, refuse_other_meaning
from spice_select.comparison.choosing import Chooser, fitting_rows
from spice_select.comparison.grounds import Grounds, RowSet
from spice_select.comparison.result import RESULTS_FILE
from spice_select.comparison.settings import CompareSettings
from spice_select.data.encoding import Encoder, encode_rows
from spice_select.data.formats import detect_format
from spice_select.data.records import Row
from spice_select.errors import InputError, PartsDueError
from spice_select.features import FEATURES
from spice_select.features.proxy import Proxy
from spice_select.features.rating_prompts import RatingPrompts
from spice_select.methods import METHODS
from spice_select.methods.loss import LossLow
from spice_select.models.load import load_tokenizer
from spice_select.models.settings import ProxySettings
from spice_select.models.size import count_weights
from spice_select.run.finished import Run
from spice_select.run.folder import open_run
from spice_select.run.settings import SelectSettings
from spice_select.testing.tokenizers import tiny_tokenizer
from tests.conftest import make_sums
from tests.evaluation.models import write_adapter

Corpus = Callable[..., Path]


@pytest.fixture
def options(tiny_proxy: Path, tmp_path: Path) -> dict[str, Any]:
    return {"model": str(tiny_proxy), "seeds": (0, 1), "out": tmp_path / "c"}


GRADIENTS: dict[str, Any] = {"sketch_dim": 32, "batch_tokens": 512}


def test_the_worked_example_of_a_cut_at_equal_tokens() -> None:
    order = np.random.default_rng(0).permutation(6)
    assert order.tolist() == [3, 2, 5, 4, 0, 1]
    lengths = np.array([4, 7, 3, 5, 6, 2])
    assert fitting_rows(order, lengths, 13) == 3, "10 tokens; row 4 would make 16, and row 0 is not looked at"


def test_an_adapter_in_the_folder_is_not_thrown_away(corpus: Corpus, options: dict[str, Any], tmp_path: Path) -> None:
    with open_run(tmp_path / "c", {"kind": "comparison"}):
        adapter = write_adapter(Path(options["model"]), tmp_path / "c" / "adapter")
    with pytest.raises(InputError, match=r"holds .*adapter, which this reads"):
        spice_select.compare(
            corpus(make_sums(80)), methods="spice", adapter=str(adapter), overwrite=True, **options, **GRADIENTS
        )
    assert adapter.is_dir()


def test_arms_share_features_and_hold_equal_tokens(corpus: Corpus, options: dict[str, Any]) -> None:
    found = spice_select.compare(
        corpus(make_sums(80)), target=corpus(make_sums(16, 7), "target.jsonl"), methods="spice,longest,less-rr",
        budget="20%", **options, **GRADIENTS,
    )  # fmt: skip
    assert found.failures == ()
    assert [(one.arm, one.seed) for one in found.facts] == [
        ("random", 0), ("random", 1), ("spice", 0), ("longest", 0), ("less-rr", 0),
    ]  # fmt: skip
    assert found.supervised is not None
    assert all(one.supervised <= found.supervised for one in found.facts)
    assert all(one.shortfall is not None and one.shortfall < 0.4 for one in found.facts)
    spice, longest = found.facts[2], found.facts[3]
    assert longest.rows < spice.rows
    assert all(one.gradients is not None for one in found.facts), "also of those that took none"
    assert spice.cost.features == ("gradients",)
    assert spice.cost.flops == spice.cost.marginal_flops
    assert found.facts[4].cost.marginal_flops == 0, "spice has taken them"
    assert longest.cost.flops == 0
    assert json.loads((found.path / "comparison.json").read_text())["arms"][2]["arm"] == "spice"


def test_what_another_sketch_or_a_moving_proxy_takes_is_no_other_arms(corpus: Corpus, options: dict[str, Any]) -> None:
    moving = "schedule=interleaved:pool_size=12:update_every=1"
    names = ("spice", "spice:alpha=2", "spice:sketch_dim=16", f"spice:{moving}", f"random:{moving}")
    found = spice_select.compare(
        corpus(make_sums(24)), methods=names, equal="rows", budget="20%", **{**options, "seeds": "0"}, **GRADIENTS
    )
    assert found.failures == ()
    new = {one.arm: cast(float, one.cost.marginal_flops) for one in found.facts}
    assert new["spice:alpha=2"] == 0, "it takes them from spice"
    assert new["spice:sketch_dim=16"] == new["spice"] > 0
    assert 0 < new[f"random:{moving}"] < new["spice"], "a random draw moves the proxy too"
    assert new[f"spice:{moving}"] > new["spice"], "gradients at the proxy's states, and its steps"
    assert Contender.parse(f"spice:{moving}").draws, "of its pools"
    assert not Contender.parse("spice").draws


def test_a_revision_belongs_to_the_model_that_all_share() -> None:
    settings = CompareSettings.from_flat({"model": "owner/name", "model_revision": "v2"})
    asked = [
        Contender.parse(arm).asks(settings, seed=0, budget="1", target=None).proxy
        for arm in (
            "spice",
            "spice:model=elsewhere",
            "spice:model=owner/other:model_revision=v3",
            "spice:model=owner/name",
        )
    ]
    assert [one.model_revision for one in asked] == ["v2", None, "v3", "v2"]


@pytest.mark.parametrize("arm", ["spice:parameters=full", "information:parameters=full", "spice:schedule=pools"])
def test_a_setting_is_no_name_of_an_arm(arm: str) -> None:
    one = Contender.parse(arm)
    assert meaning_of(one.place) == ("", one.place)
    refuse_other_meaning([one], [one.place, Contender.parse("random:parameters=full").place])


def test_an_arm_has_a_name_with_a_methods_in_front() -> None:
    one = Contender.parse("spice_2=spice:alpha=2")
    assert meaning_of(one.place) == ("spice_2", "spice_alpha=2")


@pytest.mark.parametrize("name", ["oracle", "clean-random", "random-small", "full", "untuned"])
def test_an_arm_is_not_called_as_what_others_are_held_against(name: str) -> None:
    with pytest.raises(InputError, match="no method and no reference is called by"):
        Contender.parse(f"{name}=spice:alpha=2")


def test_a_finished_arm_is_held_against_a_model_of_its_own(
    corpus: Corpus, options: dict[str, Any], tiny_proxy: Path, tmp_path: Path
) -> None:
    pool, own = corpus(make_sums(40)), Path(shutil.copytree(tiny_proxy, tmp_path / "own"))
    asked = {**options, "methods": f"own=loss-low:model={own}", "equal": "rows"}
    assert spice_select.compare(pool, **asked).failures == ()
    assert spice_select.compare(pool, **asked).failures == ()
    config = json.loads((own / "config.json").read_text())
    (own / "config.json").write_text(json.dumps({**config, "rms_norm_eps": 0.1}))
    (failure,) = spice_select.compare(pool, **asked).failures
    assert (failure.arm, failure.mendable) == ("own", True)
    assert "model_files_sha256" in failure.cause


def test_parts_that_are_left_to_others_are_no_failure(corpus: Corpus, options: dict[str, Any]) -> None:
    asked = {**options, **GRADIENTS, "methods": "spice", "equal": "rows"}
    with pytest.raises(PartsDueError, match="spice worker"):
        spice_select.compare(corpus(make_sums(40)), engine="parts", **asked)


def test_a_target_of_files_laid_out_in_two_ways_is_chosen_for(corpus: Corpus, options: dict[str, Any]) -> None:
    pool, chat = corpus(make_sums(60)), corpus(make_sums(12, 7), "chat.jsonl")
    lines = [json.dumps({"question": f"{n} times 3?", "answer": str(3 * n)}) for n in range(9)]
    other = pool.with_name("other.jsonl")
    other.write_text("\n".join(lines))
    found = spice_select.compare(pool, target=(str(chat), str(other)), methods="less-rr", **options, **GRADIENTS)
    assert found.failures == ()
    assert any("laid out as" in note and "written as messages" in note for note in found.notes)
    written = [json.loads(line) for line in (found.path / "target.jsonl").read_text().splitlines()]
    assert [row["task"] for row in written] == ["chat"] * 12 + ["other"] * 9
    assert written[-1]["messages"][-1] == {"role": "assistant", "content": "24"}


def test_other_seeds_draw_from_the_gradients_of_the_first(corpus: Corpus, options: dict[str, Any]) -> None:
    still, moving = "spice:schedule=pools:pool_size=12", "spice:schedule=interleaved:pool_size=12:update_every=1"
    own = "spice:schedule=pools:pool_size=8:proxy_seed=9"
    found = spice_select.compare(
        corpus(make_sums(24)), methods=("source-shares", still, own, moving), equal="rows", budget="25%",
        **{**options, "seeds": "2,1"}, **GRADIENTS,
    )  # fmt: skip
    assert found.failures == ()
    new = {(one.arm, one.seed): cast(float, one.cost.marginal_flops) for one in found.facts}
    assert new["source-shares", 2] > 0
    assert [new[arm] for arm in (("source-shares", 1), (still, 2), (still, 1))] == [0, 0, 0]
    assert new[own, 2] == new["source-shares", 2], "gradients of a seed of its own"
    assert new[own, 1] == 0
    assert new[moving, 1] > new["source-shares", 2], "its proxy moves by what is drawn"
    for arm in ("source-shares", still):
        drawn = [Run(found.path / "arms" / f"{arm}--seed-{seed}".replace(":", "_")).row_numbers for seed in (2, 1)]
        assert not np.array_equal(*drawn)


def test_what_is_finished_is_not_done_again_and_methods_and_seeds_can_be_added(
    corpus: Corpus, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    pool, ran = corpus(make_sums(40)), list[str]()
    first = spice_select.compare(pool, methods="longest", **options)
    real = Chooser._run

    def watched(self: Chooser, arm: Any, seed: int, rows: int, place: Path) -> Any:
        ran.append(f"{arm.label} {seed}")
        return real(self, arm, seed, rows, place)

    monkeypatch.setattr(Chooser, "_run", watched)
    again = spice_select.compare(pool, methods="longest", **options)
    assert ran == []
    assert again.to_json() == first.to_json()
    more = spice_select.compare(pool, methods="longest,loss-low", **{**options, "seeds": (0, 1, 2)})
    assert set(ran) == {"random 2", "loss-low 0"}
    assert [one.arm for one in more.facts] == ["random"] * 3 + ["longest", "loss-low"]


@pytest.mark.parametrize(
    ("error", "mendable"),
    [
        (OSError(28, "No space left on device"), True),
        (RuntimeError("I/O error: No space left on device (os error 28)"), True),
        (ZeroDivisionError("by nothing"), False),
    ],
)
def test_an_arm_that_fails_takes_no_other_with_it_and_is_tried_again(
    corpus: Corpus, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch, error: Exception, mendable: bool
) -> None:
    pool = corpus(make_sums(40))

    def broken(*_: object, **__: object) -> None:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(LossLow, "choose", broken)
        found = spice_select.compare(pool, methods="loss-low,longest", **options)
    assert [(one.arm, one.what, one.mendable) for one in found.failures] == [("loss-low", "choice", mendable)]
    (failure,) = json.loads((found.path / RESULTS_FILE).read_text())["failures"]
    assert ("No space left on device" if mendable else "by nothing") in failure["cause"]
    assert ("in broken" in failure["trace"]) is not mendable
    assert ("run the same command again" in failure["cause"]) is mendable
    assert [one.arm for one in found.facts] == ["random", "random", "longest"]
    mended = spice_select.compare(pool, methods="loss-low,longest", **options)
    assert mended.failures == ()
    assert [one.arm for one in mended.facts] == ["random", "random", "loss-low", "longest"]


def test_a_row_that_holds_more_than_the_budget_is_the_arms_fault_and_can_be_mended(
    corpus: Corpus, options: dict[str, Any]
) -> None:
    found = spice_select.compare(corpus(make_sums(40)), methods="longest", budget=1, **options)
    assert [(one.arm, one.mendable) for one in found.failures if one.arm == "longest"] == [("longest", True)]
    assert "Give a larger --budget" in found.failures[-1].cause


def test_choices_pool_by_pool_are_given_as_many_supervised_tokens_as_the_others(
    corpus: Corpus, options: dict[str, Any]
) -> None:
    moving = "schedule=interleaved:pool_size=20:update_every=1"
    still = "spice:schedule=pools:pool_size=20"
    names = (still, f"moving=spice:{moving}", f"lead:{moving}", f"in-pool=random:{moving}")
    found = spice_select.compare(corpus(make_sums(60)), methods=names, budget="30%", **options, **GRADIENTS)
    assert found.failures == ()
    assert {one.arm for one in found.facts} == {"random", still, "moving", f"lead:{moving}", "in-pool"}
    assert f"moving is spice:{moving}." in found.notes
    for one in found.facts:
        assert found.supervised * 0.85 < one.supervised <= found.supervised, one.arm
        assert one.shortfall == 1 - one.supervised / found.supervised


def test_a_name_keeps_its_meaning_within_a_folder(corpus: Corpus, options: dict[str, Any], tmp_path: Path) -> None:
    asked = {**options, "out": tmp_path / "named", **GRADIENTS}
    pool = corpus(make_sums(40))
    first = spice_select.compare(pool, methods="twice=spice:alpha=2", budget="20%", **asked)
    assert [one.arm for one in first.facts if one.arm != "random"] == ["twice"]
    assert spice_select.compare(pool, methods="twice=spice:alpha=2", budget="20%", **asked).facts == first.facts
    with pytest.raises(InputError, match="'twice' stood for twice=spice_alpha=2 in this folder"):
        spice_select.compare(pool, methods="twice=spice:alpha=3", budget="20%", **asked)
    for again in ("spice:alpha=2", "double=spice:alpha=2"):
        with pytest.raises(InputError, match="stands under the name 'twice' in this folder"):
            spice_select.compare(pool, methods=again, budget="20%", **asked)


def test_arms_that_differ_have_folders_that_differ() -> None:
    arms = ("spice:model=a/b", "spice:model=a_b", "spice:model=a+b", "x=spice:model=" + "a" * 300)
    places = [Contender.parse(arm).place for arm in arms]
    assert len(set(places)) == 4
    assert all(re.fullmatch(r"[A-Za-z0-9._=-]{1,200}", place) for place in places)
    assert Contender.parse("spice:alpha=2").place == "spice_alpha=2"


@pytest.mark.parametrize(
    ("asked", "taken", "message"),
    [
        ("spice_alpha=spice:alpha=3", "spice_alpha=2", ""),  # that one was never named
        ("a=spice:alpha=3", "a=spice_alpha=3", ""),
        ("a=spice:alpha=3", "a=spice_alpha=2", "'a' stood for a=spice_alpha=2"),
        ("a=spice:alpha=3", "spice_alpha=3", "stands without a name"),
        ("spice", "a=spice", "stands under the name 'a'"),
    ],
)
def test_what_a_name_stood_for(asked: str, taken: str, message: str) -> None:
    with pytest.raises(InputError, match=message) if message else contextlib.nullcontext():
        refuse_other_meaning([Contender.parse(asked)], ["random", taken])


def test_a_name_means_what_it_did_where_only_its_record_is_left(
    corpus: Corpus, options: dict[str, Any], tmp_path: Path
) -> None:
    asked, pool = {**options, "budget": "20%", **GRADIENTS}, corpus(make_sums(40))
    spice_select.compare(pool, methods="twice=spice:alpha=2", **asked)
    (tmp_path / "c" / "records").mkdir()
    (tmp_path / "c" / "records" / "twice=spice_alpha=2--0.json").touch()
    shutil.rmtree(tmp_path / "c" / "arms")
    with pytest.raises(InputError, match="'twice' stood for"):
        spice_select.compare(pool, methods="twice=spice:alpha=3", **asked)


def test_a_budget_of_supervised_tokens_is_taken_as_it_is(corpus: Corpus, options: dict[str, Any]) -> None:
    found = spice_select.compare(corpus(make_sums(40)), methods="longest", budget="90-supervised-tokens", **options)
    assert found.supervised == 90
    assert all(one.supervised <= 90 for one in found.facts)


def test_equal_rows(corpus: Corpus, options: dict[str, Any]) -> None:
    found = spice_select.compare(corpus(make_sums(40)), methods="longest", budget="20%", equal="rows", **options)
    assert [one.rows for one in found.facts] == [8, 8, 8]
    assert found.supervised is None


def test_rows_of_the_target_leave_the_pool_of_every_arm(corpus: Corpus, options: dict[str, Any]) -> None:
    rows = make_sums(60)
    found = spice_select.compare(
        corpus(rows), target=corpus(rows[:8], "target.jsonl"), methods="bm25,longest", budget="20%", **options
    )
    assert found.rows <= 52
    assert any("left out of the pool" in note for note in found.notes)
    pool = set((found.path / "pool.jsonl").read_text().splitlines())
    assert not any(json.dumps(row) in pool for row in rows[:8])


def test_a_target_that_is_the_pool_leaves_none_and_is_named(corpus: Corpus, options: dict[str, Any]) -> None:
    pool = corpus(make_sums(20))
    with pytest.raises(InputError, match=r"0 rows are left .* 20 stand in what is chosen for or judges too"):
        spice_select.compare(pool, target=pool, methods="bm25", **options)


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"methods": "spcie"}, ["'spcie'", "Did you mean 'spice'?"]),
        ({"methods": "spcie,random,lost-low"}, ["'spcie': unknown", "'lost-low': unknown"]),
        ({"methods": "spice,spice"}, ["spice is named twice"]),
        ({"methods": "spice,loss-low,random,loss-low"}, ["loss-low is named twice"]),
        ({"seeds": "0,1,1"}, ["1 is there twice"]),
        ({"seeds": "a"}, ["not whole numbers"]),
        ({"seeds": "0,²"}, ["not whole numbers"]),
        ({"seeds": "9" * 5000}, ["not whole numbers"]),
        ({"methods": "less-rr"}, ["less-rr", "without --target"]),
        ({"methods": "spice:precondition=adam"}, ["moments come from a training"]),
        ({"methods": "spice:alhpa=1"}, ["alhpa", "alpha"]),
        ({"methods": "spice:alpha"}, ["not one name=value"]),
        ({"methods": "longest=spice:alpha=2"}, ["'longest' is no name for an arm"]),
        ({"methods": "=spice"}, ["'' is no name for an arm"]),
        ({"methods": "a b=spice"}, ["'a b' is no name for an arm"]),
        ({"methods": "a=spice:alpha=2,a=spice:alpha=3"}, ["a is named twice"]),
        ({"methods": "a=spice,spice"}, ["spice: asks what a asks"]),
        ({"methods": "a=spcie"}, ["'spcie'", "Did you mean 'spice'?"]),
        ({"methods": "spice:seed=3"}, ["is the same for all"]),
        ({"methods": "spice:max_length=64"}, ["is the same for all"]),
        ({"methods": "longest:alpha=2"}, ["alpha", "not read"]),
        ({"methods": "spice:schedule=pools:model=other"}, ["schedule=pools with a model of its own", "--equal rows"]),
        ({"methods": "spice,spice:alpha=1"}, ["spice:alpha=1: asks what spice asks"]),
        ({"methods": "spice,full", "budget": "100%"}, ["full: all rows are no choice", "--train"]),
        ({"methods": "longest", "budget": "0.01%"}, ["0.01%: 1 supervised tokens", "shortest", "--equal rows"]),
        ({"methods": "longest", "sketch_dim": 9}, ["--sketch-dim", "none of the methods reads it"]),
        ({"methods": "spice:per_source_min=0.9"}, ["per-source"]),
        ({"methods": "spice", "budget": "200%"}, ["more than the whole corpus"]),
        ({"train_steps": 3}, ["--train-steps", "without --train"]),
        ({"train": True, "seeds": "0"}, ["two are the least"]),
        ({"train": True, "primary": "gsm8k"}, ["--primary gsm8k", "only by pool"]),
    ],
    ids=str,
)  # fmt: skip
def test_what_cannot_be_compared_is_refused_before_anything_is_written(
    asked: dict[str, Any], words: list[str], corpus: Corpus, options: dict[str, Any]
) -> None:
    with pytest.raises(InputError) as fault:
        spice_select.compare(corpus(make_sums(20)), **{**options, **asked})
    assert all(word in str(fault.value) for word in words), fault.value
    assert not options["out"].exists()


def test_the_pools_of_the_seeds_that_were_asked_for_must_meet_the_budget(
    corpus: Corpus, options: dict[str, Any]
) -> None:
    rows = [{"prompt": f"Say {number}", "completion": "word " * 9 if number else "no"} for number in range(20)]
    early = [seed for seed in range(9) if 0 in np.random.default_rng(seed).permutation(20)[:10]]
    late = [seed for seed in range(9) if seed not in early]
    asked = {**options, "methods": "random:schedule=pools:pool_size=10", "budget": "5-supervised-tokens"}
    pool = corpus(rows)
    for seeds in (early[:1], [late[0], early[0]]):  # of the one row that fits, half the tokens come too soon
        with pytest.raises(InputError, match="over 2 pools: no row fits"):
            spice_select.compare(pool, **{**asked, "seeds": seeds})
    found = spice_select.compare(pool, **{**asked, "seeds": late[:1]})
    assert [one.rows for one in found.facts if one.arm != "random"] == [1]


def test_the_command_prints_tables_and_its_exit_code_tells_of_failures(
    corpus: Corpus, tiny_proxy: Path, spice: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    asked = ("--methods", "longest,loss-low", "--model", tiny_proxy, "--seeds", "0,1", "--out", tmp_path / "c")
    code, out, err = spice("compare", corpus(make_sums(40)), *asked, "--budget", "20%")
    assert (code, err) == (0, "")
    assert "at most" in out
    assert "took gradients at length one, so none is measured by them" in " ".join(out.split())
    few = (*asked[:-1], tmp_path / "few")
    code, out, _ = spice("compare", corpus(make_sums(40)), *few, "--budget", "1")
    assert code == 2
    assert "failed longest, seed 0, choice" in out


def test_an_arm_with_another_proxy_sees_rows_in_the_tokens_of_its_own(
    corpus: Corpus, options: dict[str, Any], tiny_proxy: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    shutil.copytree(tiny_proxy, other)
    tiny_tokenizer(metaspace=True).save_pretrained(other)
    arm = f"loss-low:model={other}"
    found = spice_select.compare(corpus(make_sums(40)), methods=("loss-low", arm), budget="20%", **options)
    assert found.failures == ()
    alone = spice_select.select(
        options["out"] / "pool.jsonl", method="loss-low", model=str(other), budget=found.facts[-1].rows,
        out=tmp_path / "alone",
    )  # fmt: skip
    (there,) = (run for run in map(Run, (options["out"] / "arms").glob("loss-low_model*--seed-0")))
    assert (there.path / "selected.jsonl").read_bytes() == (alone.path / "selected.jsonl").read_bytes()
    assert there.summary.tokens == alone.summary.tokens
    plain, own = found.facts[-2].cost, found.facts[-1].cost
    assert plain.flops != own.flops, "another number of tokens"
    assert own.marginal_flops == own.flops == 2 * count_weights(str(other), ProxySettings()) * there.summary.tokens


def test_features_whose_operations_are_counted_are_those_there_are() -> None:
    counted = {*costs._ONE_PASS, costs._ANSWERS_ALONE, costs._RATINGS, costs.GRADIENTS}
    assert counted <= set(FEATURES.names)
    needed = {name for method in METHODS.names for name in METHODS[method].of(SelectSettings().flat()).needs()}
    assert needed <= counted, "of every feature that a method needs"


def test_operations_of_ratings_are_those_of_the_passes_that_make_them(tiny_proxy: Path) -> None:
    tokenizer = load_tokenizer(str(tiny_proxy))
    encoder = Encoder(tokenizer)
    rows = [Row(number, row, "") for number, row in enumerate(make_sums(6))]
    examples = encode_rows(rows, detect_format(rows), encoder).examples
    lengths = np.array([example.num_tokens for example in examples])
    proxy = Proxy(identity=cast(Any, None), tokenizer=tokenizer, device="cpu", dtype="float32", reason="")
    grounds = Grounds(
        name="", pool=RowSet(rows=rows, format=detect_format(rows)), sources=(), tokens=lengths, supervised=lengths,
        aim=None, judges={}, proxy=proxy, notes=(),
    )  # fmt: skip
    prompts = RatingPrompts(tokenizer)
    read = sum(len(prompts.told(example)) + sum(map(len, prompts.cues)) for example in examples)
    ledger, tokens = costs.CostLedger(grounds, [], lambda proxy: 10), int(lengths.sum())
    counted = ledger._feature("ratings", SelectSettings(), tokens=tokens, supervised=tokens)
    assert counted == pytest.approx(2 * 10 * read, rel=0.1), "labels stand for the template's tokens"
