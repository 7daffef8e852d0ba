"""Features of forward passes: against plain logits and states of one row after the other."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy
from transformers import AutoModelForCausalLM

from spice_select.data.encoding import Encoder
from spice_select.data.records import Conversation, Example, Row
from spice_select.errors import InputError
from spice_select.features import ratings
from spice_select.features.poolings import LAST, POOLINGS, PROMPT, RESPONSE, WEIGHTED
from spice_select.features.rating_prompts import QUESTIONS, RatingPrompts, without_middle
from spice_select.features.states import padded_weights, pooled
from spice_select.features.unprompted_losses import answers_alone
from spice_select.models.load import load_tokenizer
from spice_select.testing.engine import sample_batch
from spice_select.testing.tokenizers import CHATML, tiny_tokenizer
from tests.features.cases import CASES

OF = {case.name: case for case in CASES}
LLAMA3 = (
    "{{ bos_token }}{% for message in messages %}{{ '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n' "
    "+ message['content'] + '<|eot_id|>' }}{% endfor %}{% if add_generation_prompt %}"
    "{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}"
)
MISTRAL = (
    "{{ bos_token }}{% for message in messages %}{% if message['role'] == 'user' %}{{ '[INST] ' + message['content'] "
    "+ ' [/INST]' }}{% else %}{{ ' ' + message['content'] + eos_token }}{% endif %}{% endfor %}"
)


@pytest.fixture(scope="module")
def plain(tiny_proxy: Path) -> torch.nn.Module:
    return AutoModelForCausalLM.from_pretrained(tiny_proxy, dtype=torch.float32).eval()


def token_losses_of(model: torch.nn.Module, ids: np.ndarray) -> np.ndarray:
    """The loss of every token but the first, from all the logits."""
    tensor = torch.from_numpy(ids.astype(np.int64))[None]
    with torch.no_grad():
        logits = model(input_ids=tensor).logits[0, :-1].double()
    return cross_entropy(logits, tensor[0, 1:], reduction="none").numpy()


def test_losses_are_plain_cross_entropy(tiny_proxy: Path, plain: torch.nn.Module) -> None:
    batch = sample_batch()
    due = [token_losses_of(plain, example.input_ids)[example.supervised[1:]] for example in batch]
    block = OF["losses"].of(tiny_proxy).open()(batch)
    np.testing.assert_allclose(block["loss_sum"], [losses.sum() for losses in due], rtol=2e-5)
    np.testing.assert_allclose(block["loss"], [losses.mean() for losses in due], rtol=2e-5)


def test_unprompted_losses_are_those_of_each_answer_behind_the_header(tiny_proxy: Path, plain: torch.nn.Module) -> None:
    batch = sample_batch()
    header = Encoder(load_tokenizer(str(tiny_proxy))).answer_header()
    due = []
    for example in batch:
        total, run = 0.0, []
        for token, supervised in [*zip(example.input_ids, example.supervised, strict=True), (0, False)]:
            if supervised:
                run.append(token)
            elif run:
                total += token_losses_of(plain, np.array([*header, *run]))[len(header) - 1 :].sum()
                run = []
        due.append(total)
    block = OF["unprompted-losses"].of(tiny_proxy).open()(batch)
    np.testing.assert_allclose(block["loss_sum"], due, rtol=2e-5)
    np.testing.assert_allclose(block["loss"], np.array(due) / [e.num_supervised for e in batch], rtol=2e-5)


def test_a_row_that_is_a_header_and_an_answer_has_one_loss_with_and_without_its_prompt(tiny_proxy: Path) -> None:
    header = Encoder(load_tokenizer(str(tiny_proxy))).answer_header()
    bare = Example(
        row=0,
        input_ids=np.array([*header, 20, 30, 40], np.int32),
        supervised=np.arange(len(header) + 3) >= len(header),
        source="",
        content_hash="",
    )
    with_prompt, alone = (OF[name].of(tiny_proxy).open()([bare])["loss"] for name in ("losses", "unprompted-losses"))
    np.testing.assert_allclose(with_prompt, alone, rtol=1e-6)


def test_answers_alone_are_the_tokens_that_are_trained_on() -> None:
    example = Example(
        row=4,
        input_ids=np.arange(10, 20, dtype=np.int32),
        supervised=np.array([0, 1, 1, 0, 0, 1, 0, 0, 1, 1], bool),
        source="",
        content_hash="",
    )
    found = answers_alone(example, np.array([1, 2], np.int32))
    assert [answer.input_ids.tolist() for answer in found] == [[1, 2, 11, 12], [1, 2, 15], [1, 2, 18, 19]]
    assert [answer.supervised.tolist() for answer in found] == [
        [False, False, True, True],
        [False, False, True],
        [False, False, True, True],
    ]


@pytest.mark.parametrize(
    ("template", "options", "header"),
    [
        (CHATML, {}, "<|im_start|>assistant\n"),
        (CHATML, {"bos": "<|im_start|>"}, "<|im_start|>assistant\n"),  # as SmolLM2, whose BOS begins every turn
        (
            LLAMA3,
            {"special": ("<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"), "eos": "<|eot_id|>"},
            "<s><|start_header_id|>assistant<|end_header_id|>\n\n",
        ),
        (MISTRAL, {"eos": "</s>"}, "<s> [/INST]"),  # nothing but what closes the question
        (None, {}, "### Response:\n"),
        (None, {"add_bos": True}, "<s>### Response:\n"),
    ],
    ids=["chatml", "smollm2", "llama3", "mistral", "fallback", "fallback-bos"],
)
def test_the_header_is_what_the_template_writes_before_any_answer(template, options, header) -> None:
    tokenizer = tiny_tokenizer(template, **options)
    encoder = Encoder(tokenizer)
    found = encoder.answer_header()
    assert tokenizer.decode(found) == header
    turns = ({"role": "user", "content": "What is 12 + 30?"}, {"role": "assistant", "content": "42, because."})
    example = encoder.encode(Conversation(row=Row(0, {}, ""), messages=turns, source=""))
    bare = found[1:] if header.startswith("<s>") else found
    first = int(np.flatnonzero(example.supervised)[0])
    assert example.input_ids[first - len(bare) : first].tolist() == bare.tolist(), "it stands before the row's answer"


def one_row(tokens: int, *supervised: int) -> Example:
    mask = np.isin(np.arange(tokens), supervised)
    return Example(row=0, input_ids=np.zeros(tokens, np.int32), supervised=mask, source="", content_hash="")


def test_the_worked_example_of_the_weighted_mean() -> None:
    states = torch.tensor([[[1.0, 0], [0, 1], [1, 1], [torch.nan, 7]]])
    weights = torch.nn.functional.pad(padded_weights(WEIGHTED, [one_row(3, 2)]), (0, 1))
    unit, length = pooled(states, weights)
    np.testing.assert_allclose(unit, [[0.6247, 0.7809]], atol=1e-4)
    np.testing.assert_allclose(length, [np.hypot(0.6667, 0.8333)], atol=1e-4)


def test_each_pooling_weighs_its_own_tokens() -> None:
    """Five tokens of two turns: a question, an answer, a question, an answer of two."""
    batch = [one_row(5, 1, 3, 4), one_row(3, 0)]
    found = {pooling.name: padded_weights(pooling, batch).tolist() for pooling in POOLINGS}
    assert found == {
        "weighted": [[1, 2, 3, 4, 5], [1, 2, 3, 0, 0]],
        "response": [[0, 1, 0, 1, 1], [1, 0, 0, 0, 0]],
        "prompt": [[1, 0, 0, 0, 0], [0, 0, 0, 0, 0]],
        "last": [[0, 0, 0, 0, 1], [0, 0, 1, 0, 0]],
    }


def test_a_row_without_a_prompt_has_nothing_of_it_and_a_state_that_is_no_number_is_told() -> None:
    states = torch.ones(1, 3, 2)
    unit, length = pooled(states, padded_weights(PROMPT, [one_row(3, 0)]))
    assert not unit.any()
    assert not length.any()
    states[0, 2] = torch.nan
    assert np.isnan(pooled(states, padded_weights(LAST, [one_row(3, 1)]))[1]).all()
    assert np.isfinite(pooled(states, padded_weights(RESPONSE, [one_row(3, 1)]))[1]).all(), "it is not in this mean"


def test_states_are_those_after_the_final_norm(tiny_proxy: Path, plain: torch.nn.Module) -> None:
    batch = sample_batch()
    block = OF["hidden-states"].of(tiny_proxy).open()(batch)
    for pooling in POOLINGS:
        due = []
        for example in batch:
            with torch.no_grad():
                ids = torch.from_numpy(example.input_ids.astype(np.int64))[None]
                states = plain(input_ids=ids, output_hidden_states=True).hidden_states[-1][0].double().numpy()
            weights = pooling.weights(example)
            due.append(weights @ states / max(1, weights.sum()))
        np.testing.assert_allclose(pooling.vectors(block), due, rtol=2e-5, atol=2e-6)
        lengths = np.linalg.norm(pooling.directions(block), axis=1)
        np.testing.assert_allclose(lengths, block[pooling.length] > 0, atol=1e-6)


@pytest.mark.parametrize("name", ["losses", "unprompted-losses", "hidden-states"])
def test_a_batch_that_does_not_fit_is_halved(name: str, tiny_proxy: Path, monkeypatch) -> None:
    batch, feature = sample_batch(), OF[name].of(tiny_proxy)
    expected = OF[name].of(tiny_proxy).open()(batch)
    measure = type(feature).measure

    def small(self, model, rows):
        if len(rows) > 2:
            raise torch.OutOfMemoryError("no room")
        return measure(self, model, rows)

    monkeypatch.setattr(type(feature), "measure", small)
    found = feature.open()(batch)
    assert found.rows.tolist() == expected.rows.tolist()
    for column in expected.columns:
        np.testing.assert_allclose(found[column], expected[column], rtol=2e-5)
    np.testing.assert_allclose(found.features, expected.features, atol=2e-6)


def test_token_states_are_the_states_that_predict_supervised_tokens(tiny_proxy: Path, plain: torch.nn.Module) -> None:
    """Exact for up to eight of them: Σ x xᵀ from the states of each row alone; then the largest part of it."""
    batch = sample_batch()
    block = OF["token-states"].of(tiny_proxy).open()(batch)
    for place, example in enumerate(batch):
        with torch.no_grad():
            ids = torch.from_numpy(example.input_ids.astype(np.int64))[None]
            states = plain(input_ids=ids, output_hidden_states=True).hidden_states[-1][0].double().numpy()
        own = np.stack([states[t - 1] for t in range(1, len(states)) if example.supervised[t]])
        kept = block.features[place].astype(np.float64).reshape(8, 32)
        np.testing.assert_allclose(block["square"][place], (own**2).sum() / 32, rtol=1e-5)
        np.testing.assert_allclose(block["kept"][place], (kept**2).sum() / (own**2).sum(), rtol=1e-4)
        if len(own) <= 8:
            np.testing.assert_allclose(kept.T @ kept, own.T @ own, atol=2e-5 * (own**2).sum())
            assert block["kept"][place] == pytest.approx(1)
        else:
            assert block["kept"][place] < 1


# ---- ratings


def talk(tokenizer, *texts: str) -> Example:
    messages = tuple({"role": "assistant" if turn % 2 else "user", "content": text} for turn, text in enumerate(texts))
    example = Encoder(tokenizer).encode(Conversation(row=Row(0, {}, ""), messages=messages, source=""))
    assert isinstance(example, Example)
    return example


def all_of(prompts: RatingPrompts, example: Example, window: int | None = None) -> list[np.ndarray]:
    """The row before each question."""
    return [np.concatenate([prompts.told(example, window), cue]) for cue in prompts.cues]


@pytest.mark.parametrize("keeps", [True, False])
def test_ratings_are_the_next_tokens_after_a_question(
    tiny_proxy: Path, plain: torch.nn.Module, keeps: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a proxy that keeps what it read, and of one that reads the row again for every question."""
    if not keeps:
        monkeypatch.setattr(ratings, "goes_on", lambda model: False)
    monkeypatch.delattr(ratings, "_one_by_one" if keeps else "branched_log_probabilities")
    tokenizer = load_tokenizer(str(tiny_proxy))
    batch = [
        talk(tokenizer, "What is 12 + 30?", "42."),
        talk(tokenizer, "A story!", "An old dog waits.", "More?", "No."),
    ]
    prompts = RatingPrompts(tokenizer)
    block = OF["ratings"].of(tiny_proxy).open()(batch)
    for place, example in enumerate(batch):
        due, mass = [], []
        for asked in all_of(prompts, example):
            with torch.no_grad():
                ids = torch.from_numpy(asked.astype(np.int64))[None]
                whole = torch.softmax(plain(input_ids=ids).logits[0, -1].double(), 0).numpy()
            own = whole[[tokenizer.convert_tokens_to_ids(str(rating)) for rating in range(1, 6)]]
            due.append(own / own.sum())
            mass.append(own.sum())
        np.testing.assert_allclose(block.features[place], np.concatenate(due), rtol=1e-4)
        np.testing.assert_allclose(block["mass"][place], np.mean(mass), rtol=1e-4)


def test_a_row_is_told_with_all_its_turns_and_the_question_at_the_end() -> None:
    tokenizer = tiny_tokenizer()
    row = talk(tokenizer, "What is 12 + 30?", "The sum is 42.", "Why?", "Because.")
    told = [tokenizer.decode(asked) for asked in all_of(RatingPrompts(tokenizer), row)]
    assert len(set(told)) == len(QUESTIONS) == 5
    for text, question in zip(told, QUESTIONS, strict=True):
        assert text.startswith("Below are an instruction and a response")
        assert "<|im_" not in text
        order = (
            "What is 12 + 30?",
            "Response:\nThe sum is 42.",
            "Instruction:",
            "Why?",
            "Response:\nBecause.",
            question,
        )
        places = [text.index(part, 60) for part in order]
        assert places == sorted(places)
        assert text.endswith("Rating:\n")  # one token of the tiny vocabulary holds a space and a two, but none a one


def test_what_does_not_fit_is_cut_out_of_the_middle_of_the_answer() -> None:
    tokenizer, prompts = tiny_tokenizer(), RatingPrompts(tiny_tokenizer())
    row = talk(tokenizer, "What is 12 + 30?", "Begins. " + "Adds and adds. " * 30 + "Ends.")
    whole = all_of(prompts, row)[0]
    for window in (len(whole), 260, 220):
        asked = all_of(prompts, row, window)
        found = [tokenizer.decode(ids) for ids in asked]
        assert max(map(len, asked)) < window
        for text, question in zip(found, QUESTIONS, strict=True):
            assert all(part in text for part in ("What is 12 + 30?", "Begins.", " ... ", "Ends.", question))
    assert all(len(asked) < 180 for asked in all_of(prompts, row, 180)), "prompts give way where answers are gone"
    with pytest.raises(InputError, match="longer context"):
        prompts.told(row, 150)


def test_without_the_middle_is_as_long_as_there_is_room() -> None:
    ids, gap = np.arange(10, dtype=np.int32), np.array([99], np.int32)
    assert without_middle(ids, 10, gap).tolist() == list(range(10))
    assert without_middle(ids, 6, gap).tolist() == [0, 1, 2, 99, 8, 9]
    assert without_middle(ids, 2, gap).tolist() == [0, 99]
    assert without_middle(ids, 1, gap).tolist() == [99]
    assert without_middle(ids, 0, gap).tolist() == []


def test_a_tokenizer_without_a_token_for_each_rating_is_refused() -> None:
    with pytest.raises(InputError, match="no single token for each of 1 to 5"):
        RatingPrompts(tiny_tokenizer(metaspace=True))  # its sentences never say 5
