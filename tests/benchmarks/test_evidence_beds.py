"""The beds and arms of the evidence: disjoint, swapped as said, and equal in tokens; a model's tail is the model."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from benchmarks.evidence import beds
from benchmarks.evidence.arms import budget_of, prefix, random_among, random_order


def corpus(folder: Path, counts: dict[str, int]) -> Path:
    rows = [
        {
            "source": source,
            "messages": [
                {"role": "user", "content": f"{source} question {number}"},
                {"role": "assistant", "content": f"{source} answer {number}"},
            ],
        }
        for source, count in counts.items()
        for number in range(count)
    ]
    path = folder / "corpus.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def said(row: dict[str, Any]) -> tuple[str, ...]:
    return tuple(turn["content"] for turn in row["messages"])


@pytest.mark.parametrize("within", [True, False])
def test_answers_are_swapped_as_said_and_nothing_else_is(within: bool, tmp_path: Path) -> None:
    path = corpus(tmp_path, {"a": 900, "b": 600})
    bed = beds.noisy(path, tmp_path / "bed", share=0.4, within=within)
    pool = bed.pool
    swapped = {place for place, row in enumerate(pool) if said(row)[0].split()[2] != said(row)[1].split()[2]}
    assert len(bed.bad) == 400
    assert swapped <= bed.bad
    assert len(swapped) >= 398, "an answer may stand beside its number again by chance, across sources"
    across = [place for place in bed.bad if said(pool[place])[0][0] != said(pool[place])[1][0]]
    assert bool(across) is not within
    held = [json.loads(line) for line in (tmp_path / "bed" / "held_out.jsonl").read_text().splitlines()]
    target = [json.loads(line) for line in (tmp_path / "bed" / "target.jsonl").read_text().splitlines()]
    assert (len(pool), len(held), len(target)) == (1000, 300, 64)
    questions = [said(row)[0] for row in [*pool, *held, *target]]
    assert len(set(questions)) == len(questions)


def test_a_rare_target_is_rare_and_stands_in_no_pool(tmp_path: Path) -> None:
    path = corpus(tmp_path, {"a": 400, "b": 300, "c": 500})
    own = {name: beds.rows_of(path, name) for name in ("a", "b")}
    made = beds.rare(path, own, tmp_path / "beds", rows=400)
    pools = [bed.pool for bed in made]
    assert pools[0] == pools[1]
    assert sum(row["source"] == "a" for row in pools[0]) == 12
    for bed in made:
        rows = [json.loads(line) for line in (bed.folder / "target.jsonl").read_text().splitlines()]
        rows += [json.loads(line) for line in (bed.folder / "held_out.jsonl").read_text().splitlines()]
        assert len(rows) == 182
        assert not {said(row) for row in rows} & {said(row) for row in pools[0]}


def test_a_redundant_pool_holds_every_row_and_copies_of_few(tmp_path: Path) -> None:
    path = corpus(tmp_path, {"a": 400, "b": 300})
    bed = beds.redundant(path, tmp_path / "bed")
    answers = Counter(said(row)[-1] for row in bed.pool)
    held = [json.loads(line) for line in (tmp_path / "bed" / "held_out.jsonl").read_text().splitlines()]
    assert (len(bed.pool), len(answers), len(held)) == (1000, 300, 300)
    assert not answers.keys() & {said(row)[-1] for row in held}
    assert answers.most_common(1)[0][1] > 80
    assert sum(count == 1 for count in answers.values()) > 30
    prompts = {said(row)[0] for row in bed.pool if said(row)[-1] == answers.most_common(1)[0][0]}
    assert 1 < len(prompts) <= 5, "reworded in few ways, so that near copies stand beside equal ones"


def test_other_rows_like_the_pool_are_in_neither_it_nor_what_judges(tmp_path: Path) -> None:
    path = corpus(tmp_path, {"a": 40, "b": 30})
    home = beds.like_the_pool(path, tmp_path / "bed", rows=30, held=20, seed=3)
    others = beds.others_like_it(home, path, 12, seed=3)
    held = [json.loads(line) for line in (home.folder / "held_out.jsonl").read_text().splitlines()]
    there = {said(row) for row in (*home.pool, *held)}
    assert len({said(row) for row in others} - there) == 12
    gold = beds.judged_by_gold(home, others, {"quiz": others[:2]}, tmp_path / "gold")
    assert (gold.pool, len((gold.folder / "gold-quiz.jsonl").read_text().splitlines())) == (home.pool, 2)
    assert len((gold.folder / "target.jsonl").read_text().splitlines()) == 12


def test_a_prefix_ends_before_the_row_that_does_not_fit() -> None:
    tokens = np.array([4, 7, 3, 5, 6, 2])
    assert prefix([3, 2, 5, 4, 0, 1], tokens, 13) == [3, 2, 5]
    assert budget_of(tokens, 2) == 9


def test_every_seed_draws_anew_and_again_the_same() -> None:
    assert random_order(30, 1).tolist() == random_order(30, 1).tolist() != random_order(30, 2).tolist()
    assert sorted(random_among([3, 9, 4], 0).tolist()) == [3, 4, 9]


def test_the_tail_with_what_was_kept_of_the_blocks_below_is_the_model(tiny_proxy: Path) -> None:
    from benchmarks.evidence.tail import Tail, TailTrainer

    from spice_select.data.records import Example
    from spice_select.evaluation.loss import response_losses
    from spice_select.gradients.parameters.lora import initial_a
    from spice_select.models.load import load_model
    from spice_select.models.lora import LoraSpec, attach_lora
    from spice_select.schedules.interleaved.steps import ProxyTrainer, StepRecipe

    draw = np.random.default_rng(0)
    rows = [
        Example(
            row=number,
            input_ids=draw.integers(0, 40, 12 + number).astype(np.int32),
            supervised=np.arange(12 + number) > 5,
            source="",
            content_hash=str(number),
        )
        for number in range(6)
    ]
    spec = LoraSpec(rank=4, last_blocks=1)
    losses, tails = [], []
    for tail in (False, True):
        model: Any = load_model(str(tiny_proxy), dtype="float32", device="cpu").model
        adapted: Any = attach_lora(model, spec, {layer.name: initial_a(layer, 4, 0) for layer in spec.layers(model)})
        adapted.requires_grad_(False)
        for name, weight in adapted.named_parameters():
            weight.requires_grad_("lora_" in name)
        recipe = StepRecipe(learning_rate=1e-2)
        whole = Tail(adapted, 1) if tail else adapted
        kind = TailTrainer if tail else ProxyTrainer
        trainer = kind(whole, recipe, total_steps=3, batch_tokens=64)
        losses.append([trainer.step(rows).loss for _ in range(3)])
        judged = whole.losses(rows, batch_tokens=64) if tail else response_losses(adapted, rows, batch_tokens=64)
        tails.append(judged)
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-5)
    np.testing.assert_allclose(tails[1], tails[0], rtol=1e-5)
