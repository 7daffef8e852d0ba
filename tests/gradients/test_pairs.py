"""A pair's feature is DPO's gradient at its reference: −β/2 times the difference of the answers' gradients."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from spice_select.data.records import Example, PairExample
from spice_select.errors import InputError
from spice_select.features.gradients import as_block
from spice_select.features.stage import plan_parts
from spice_select.gradients import (
    PAIR_GRADIENTS,
    FullWeights,
    HookEngine,
    LastLayer,
    LoopEngine,
    LoraGradients,
    TokenSum,
)
from spice_select.gradients.batch import PaddedBatch
from spice_select.gradients.checkpoints import CheckpointEngine
from spice_select.gradients.fidelity import exact_gram
from spice_select.gradients.memory import features_within_memory
from spice_select.gradients.pairs import AnswerMeans, AnswerSums, ChosenAlone, DampedTails
from spice_select.models.lora import LoraSpec
from spice_select.sketch import Identity, Kronecker, SparseJL
from spice_select.testing.engine import sample_batch
from spice_select.testing.models import ARCHITECTURES, tiny_model
from tests.gradients.pair_cases import (
    PAIR_GRADIENT_CASES,
    PairGradientCase,
    case_name,
    gradients_of_dpo,
    log_probability,
    made_pair,
    pair_batch,
    swapped,
)

BETA, TOLERANCE = 0.1, 1e-5
PARAMETERS = {
    "dense": FullWeights(),
    "lora": LoraGradients(LoraSpec(rank=4, alpha=12.0)),
    "last-layer": LastLayer(),
}
pytestmark = pytest.mark.filterwarnings("ignore:.*weight matrices of Mixtral", "ignore:.*is unused")


def assert_near(found, due, tolerance=TOLERANCE):
    """Row by row within a share of each row's length."""
    lengths = np.linalg.norm(due, axis=1)
    assert (lengths > 0).all(), "an oracle of zeros proves nothing"
    assert (np.linalg.norm(found - due, axis=1) <= tolerance * lengths).all()


# ---- the worked example


class OneStep(nn.Module):
    """π(y|x) = softmax(W x), the state x of token 0 being (1, 2)."""

    def __init__(self) -> None:
        super().__init__()
        self.config = SimpleNamespace()
        self.embed = nn.Embedding(3, 2)
        self.lm_head = nn.Linear(2, 3, bias=False)
        with torch.no_grad():
            self.embed.weight.copy_(torch.tensor([[1.0, 2.0], [0.3, -0.7], [-1.1, 0.4]]))
            self.lm_head.weight.copy_(torch.tensor([[0.2, -0.1], [0.0, 0.3], [-0.4, 0.1]]))

    def get_input_embeddings(self):
        return self.embed

    def get_output_embeddings(self):
        return self.lm_head

    def forward(self, input_ids, use_cache=False):
        return SimpleNamespace(logits=self.lm_head(self.embed(input_ids)))


def one_step_pair() -> PairExample:
    sides = [
        Example(0, np.array([0, answer], np.int32), np.array([False, True]), source="", content_hash="")
        for answer in (0, 2)
    ]
    return PairExample(0, *sides, shared=0, prompt="", answers=("", ""))


def test_the_worked_example_digit_by_digit():
    model, pair = OneStep().eval().requires_grad_(False), one_step_pair()
    found = HookEngine(LastLayer(), Identity()).features(model, [pair])
    v = np.array([[1.0, 2.0], [0.0, 0.0], [-1.0, -2.0]], np.float32)
    np.testing.assert_allclose(found.features.reshape(3, 2), v, atol=1e-6)
    np.testing.assert_allclose(found.norms, [10**0.5], rtol=1e-6)
    np.testing.assert_allclose(np.exp(found.answers), [[0.274661, 0.224874]], atol=1e-6)
    dpo = gradients_of_dpo(model, LastLayer(), [pair], BETA)
    np.testing.assert_allclose(dpo.reshape(3, 2), [[-0.05, -0.1], [0.0, 0.0], [0.05, 0.1]], atol=1e-6)
    block = as_block([pair], found)
    assert block["margin_mean"][0] == pytest.approx(0.2, abs=1e-6)
    g = -BETA / 2 * v.reshape(-1)
    assert g @ g == pytest.approx(0.025)
    gains = [np.linalg.slogdet(np.eye(6) + sum(np.outer(x, x) for x in picks))[1] for picks in ([g], [g, -g], [g, g])]
    np.testing.assert_allclose(gains, [0.02469, 0.04879, 0.04879], atol=5e-6)


# ---- the oracle


@pytest.mark.parametrize("parameters", PARAMETERS.values(), ids=PARAMETERS)
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_features_are_dpos_gradient_at_its_reference(architecture, parameters):
    model, pairs = tiny_model(architecture), pair_batch()
    logs = [[log_probability(model, side).item() for side in pair.sequences] for pair in pairs]
    due = gradients_of_dpo(model, parameters, pairs, BETA) / (-BETA / 2)
    found = HookEngine(parameters, Identity()).features(model, pairs)
    assert_near(found.features, due)
    np.testing.assert_allclose(found.norms, np.linalg.norm(due, axis=1), rtol=TOLERANCE)
    np.testing.assert_allclose(found.answers, logs, rtol=1e-5)


@pytest.mark.parametrize("parameters", PARAMETERS.values(), ids=PARAMETERS)
@pytest.mark.parametrize("sketch", [SparseJL(64), Kronecker(64, side=4)], ids=lambda sketch: sketch.name)
@pytest.mark.parametrize("case", PAIR_GRADIENT_CASES, ids=case_name)
def test_hooks_equal_the_loop_under_every_sketch_and_weight(case: PairGradientCase, sketch, parameters):
    model, pairs = tiny_model("qwen2"), pair_batch()
    slow = LoopEngine(parameters, sketch, pairs=case.gradient).features(model, pairs)
    fast = HookEngine(parameters, sketch, pairs=case.gradient).features(model, pairs)
    assert_near(fast.features, slow.features, 2e-5)
    np.testing.assert_allclose(fast.losses, slow.losses, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(fast.norms, slow.norms, rtol=1e-5)


def test_losses_that_are_linear_in_the_margin_at_the_reference_have_the_same_direction():
    model, pairs, parameters = tiny_model("llama"), pair_batch(), PARAMETERS["lora"]

    def margin(policy, reference, pair):
        with torch.no_grad():
            held = [log_probability(reference, side) for side in pair.sequences]
        moved = [log_probability(policy, side) for side in pair.sequences]
        return (moved[0] - held[0]) - (moved[1] - held[1])

    v = HookEngine(parameters, Identity()).features(model, pairs).features
    factors = {"ipo": -1 / BETA, "hinge": -BETA}
    losses = {
        "ipo": lambda m, r, pair, beta: (margin(m, r, pair) - 1 / (2 * beta)) ** 2,
        "hinge": lambda m, r, pair, beta: functional.relu(1 - beta * margin(m, r, pair)),
    }
    for name, loss in losses.items():
        assert_near(gradients_of_dpo(model, parameters, pairs, BETA, loss) / factors[name], v)


# ---- weights


@pytest.mark.parametrize("case", PAIR_GRADIENT_CASES, ids=case_name)
def test_weights_of_an_answer_of_three_tokens_beside_one_of_two(case: PairGradientCase):
    places, own, other = torch.arange(3), torch.full((3,), 3), torch.full((3,), 2)
    for chosen, due in ((True, case.weights), (False, case.rejected or case.weights)):
        found = case.gradient.token_weights(places, own, other, torch.full((3,), chosen))
        np.testing.assert_allclose(found, due)
        assert found.dtype == torch.float32


def test_every_entry_of_the_table_has_a_case():
    assert {case.name for case in PAIR_GRADIENT_CASES} == set(PAIR_GRADIENTS.names)


def test_sums_means_and_tails_are_those_of_the_single_answers():
    model, parameters = tiny_model("llama"), PARAMETERS["lora"]
    pairs = pair_batch()
    sides = [
        HookEngine(parameters, Identity(), TokenSum()).features(model, [p.sequences[i] for p in pairs]).features
        for i in (0, 1)
    ]
    counts = [np.array([[p.sequences[i].num_supervised] for p in pairs]) for i in (0, 1)]
    sums = HookEngine(parameters, Identity(), pairs=AnswerSums()).features(model, pairs).features
    assert_near(sums, sides[1] - sides[0], 1e-4)  # gradients of losses have the other sign
    means = HookEngine(parameters, Identity(), pairs=AnswerMeans()).features(model, pairs).features
    assert_near(means, sides[1] / counts[1] - sides[0] / counts[0], 1e-4)
    whole = HookEngine(parameters, Identity(), pairs=DampedTails(1.0)).features(model, pairs).features
    assert_near(whole, sums)
    alone = HookEngine(parameters, Identity(), pairs=ChosenAlone()).features(model, pairs).features
    assert_near(alone, -sides[0], 1e-4)


def test_a_common_head_may_be_masked_or_not():
    model, pair = tiny_model("llama"), made_pair(0, prompt=6, shared=12, chosen=3, rejected=5)
    blind = PairExample(pair.row, pair.chosen, pair.rejected, 0, pair.prompt, pair.answers)
    for parameters in PARAMETERS.values():
        for weights in (AnswerSums(), AnswerMeans(), DampedTails(0.3), ChosenAlone()):
            engine = HookEngine(parameters, Identity(), pairs=weights)
            masked, whole = engine.features(model, [pair]), engine.features(model, [blind])
            assert_near(masked.features, whole.features)
            np.testing.assert_allclose(masked.answers, whole.answers)  # whatever is masked, the answers are whole


def test_swapping_the_answers_turns_the_vector_round():
    model, pairs = tiny_model("qwen3"), pair_batch()
    for weights in (AnswerSums(), AnswerMeans(), DampedTails(0.3)):
        engine = HookEngine(PARAMETERS["lora"], Identity(), pairs=weights)
        there, back = engine.features(model, pairs), engine.features(model, [swapped(pair) for pair in pairs])
        assert_near(back.features, -there.features)
        np.testing.assert_allclose(back.answers, there.answers[:, ::-1], rtol=1e-6)


# ---- batches


@pytest.mark.parametrize("parameters", PARAMETERS.values(), ids=PARAMETERS)
@pytest.mark.parametrize("architecture", ["llama", "gpt2", "mixtral"])
def test_company_order_and_padding_change_nothing(architecture, parameters):
    model, pairs = tiny_model(architecture), pair_batch()
    engine = HookEngine(parameters, Identity())
    together = engine.features(model, pairs)
    order = [3, 0, 4, 2, 1]
    assert_near(engine.features(model, [pairs[place] for place in order]).features, together.features[order])
    for place, pair in enumerate(pairs):
        assert_near(engine.features(model, [pair]).features, together.features[[place]])


def test_a_batch_has_two_lines_a_pair_and_strings_them_together():
    pairs = pair_batch()
    batch = PaddedBatch.of(pairs, torch.device("cpu"))
    assert (batch.size, len(batch.input_ids)) == (5, 10)
    values = torch.arange(batch.input_ids.numel() * 2.0).reshape(*batch.input_ids.shape, 2)
    strung = batch.by_row(values)
    assert torch.equal(strung[1], torch.cat([values[2], values[3]]))
    assert torch.equal(batch.by_row(values.reshape(-1, 2)), strung)
    at_head = batch.by_row(torch.ones(1, len(batch.rows), 2))
    assert at_head.sum((1, 2)).tolist() == [2 * pair.num_supervised for pair in pairs]
    with pytest.raises(InputError, match="all pairs, or none"):
        PaddedBatch.of([*pairs, *sample_batch()], torch.device("cpu"))


def test_pairs_are_never_parted_by_batches_or_parts_and_padding_counts():
    pairs = [made_pair(row, 4, 0, 3 + row, 2) for row in range(20)]
    parts = plan_parts([pair.padded_tokens for pair in pairs], batch_tokens=100)
    batches = [batch for part in parts for batch in part]
    assert sorted(place for batch in batches for place in batch) == list(range(20))
    for batch in batches:
        laid = PaddedBatch.of([pairs[place] for place in batch], torch.device("cpu"))
        assert laid.input_ids.numel() <= 100


def test_a_batch_that_does_not_fit_is_halved_between_pairs():
    model, pairs = tiny_model("llama"), pair_batch()
    engine = HookEngine(PARAMETERS["lora"], Identity())

    class Small:
        def features(self, model, samples):
            if len(samples) > 2:
                raise torch.OutOfMemoryError("too large")
            return engine.features(model, samples)

    halved, whole = features_within_memory(Small(), model, pairs), engine.features(model, pairs)
    assert_near(halved.features, whole.features)
    np.testing.assert_allclose(halved.answers, whole.answers, rtol=1e-6)


def test_a_pair_that_overflows_is_flagged_alone_with_its_answers():
    model, pairs = tiny_model("qwen2"), pair_batch()
    with torch.no_grad():
        model.get_input_embeddings().weight[60] = float("inf")
    sick = pairs[0].chosen.input_ids.copy()
    sick[0] = 60
    ill = Example(0, sick, pairs[0].chosen.supervised, "", "")
    for pair in pairs[1:]:
        for side in pair.sequences:
            side.input_ids[side.input_ids == 60] = 59
    batch = [PairExample(0, ill, pairs[0].rejected, 0, "", ("", "")), *pairs[1:]]
    found = HookEngine(PARAMETERS["lora"], Identity()).features(model, batch)
    assert found.finite.tolist() == [False, True, True, True, True]


def test_gram_and_checkpoints_know_pairs():
    model, pairs = tiny_model("llama"), pair_batch()
    engine = HookEngine(PARAMETERS["lora"], Identity(), pairs=AnswerMeans())
    features = engine.features(model, pairs).features
    np.testing.assert_allclose(exact_gram(engine, model, pairs), features @ features.T, rtol=1e-4, atol=1e-5)
    assert engine.conditioned(model, None).pairs == AnswerMeans()
    assert CheckpointEngine.features is not None


def test_columns_of_a_pair_say_what_the_model_makes_of_both_answers():
    model, pairs = tiny_model("llama"), pair_batch()
    block = as_block(pairs, HookEngine(PARAMETERS["lora"], Identity()).features(model, pairs))
    counts = np.array([[side.num_supervised for side in pair.sequences] for pair in pairs])
    assert block["chosen_tokens"].tolist() == counts[:, 0].tolist()
    assert block["rejected_tokens"].tolist() == counts[:, 1].tolist()
    assert block.tokens.tolist() == [pair.num_tokens for pair in pairs]
    means = [block["logp_chosen"] / counts[:, 0], block["logp_rejected"] / counts[:, 1]]
    np.testing.assert_allclose(block["margin_mean"], means[0] - means[1])
    assert "loss" not in block.columns
