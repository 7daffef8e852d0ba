"""The laws of the response mask, over kinds of templates and drawn conversations."""

import json

import jinja2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spice_select.data.encoding import Encoder, encode_rows, mask_of
from spice_select.data.encoding.spans import Located
from spice_select.data.encoding.template import ChatTemplate
from spice_select.data.formats import detect_format
from spice_select.data.records import Drop, Example, Row
from spice_select.errors import InputError
from spice_select.testing.tokenizers import CHATML, CHATML_WITH_TOOLS, tiny_tokenizer
from tests.data.oracle import conversation, expected_answers, expected_of_tool_template, supervised_text
from tests.data.spellings import CONVERSATIONS, plain_row, spelled
from tests.data.templates import (
    CHATML_KIND,
    DEFAULT_SYSTEM,
    GEMMA,
    KINDS,
    LLAMA2,
    LLAMA3,
    MARKED,
    MARKED_SHORT,
    NO_PROMPT,
    QWEN3,
    TOOL_TEMPLATES,
    ZEPHYR,
    Kind,
    tool_template,
)


def tokenizer_of(kind: Kind):
    return tiny_tokenizer(kind.text, eos=kind.eos, special=kind.special)


ENCODERS = {kind.name: Encoder(tokenizer_of(kind)) for kind in KINDS}
TOKENIZERS = {kind.name: tokenizer_of(kind) for kind in KINDS}


def metaspace_of(kind: Kind):
    tokenizer = tiny_tokenizer(kind.text, eos=kind.eos, special=kind.special, metaspace=True)
    return tokenizer, Encoder(tokenizer)


METASPACE = {kind.name: metaspace_of(kind) for kind in KINDS}

TEXT = st.text(alphabet="ab re the\n\t.,:'0123456789éß早😀-#*", min_size=1, max_size=30).filter(lambda s: s.strip())
KIND = st.sampled_from(KINDS)


@st.composite
def turns(draw, *, max_exchanges=4):
    messages = []
    if draw(st.booleans()):
        messages.append({"role": "system", "content": draw(TEXT)})
    for _ in range(draw(st.integers(1, max_exchanges))):
        messages.append({"role": "user", "content": draw(TEXT)})
        messages.append({"role": "assistant", "content": draw(TEXT)})
    return messages


def encode(kind: Kind, messages) -> Example | Drop:
    return ENCODERS[kind.name].encode(conversation(messages))


@given(kind=KIND, messages=turns())
@settings(max_examples=400, deadline=None)
def test_supervised_tokens_spell_the_answers_and_their_end_of_turn_and_nothing_else(kind, messages):
    example = encode(kind, messages)
    assert isinstance(example, Example), example
    got = supervised_text(TOKENIZERS[kind.name], example)
    # a line break at the head of an answer may merge with the one that ends the header; such a token is the prompt's
    expected = expected_answers(kind, messages)
    assert [answer.lstrip() for answer in got] == [answer.lstrip() for answer in expected]


PLAIN = st.text(alphabet="abre the\n.,?0123456789", min_size=1, max_size=30).filter(lambda s: s.strip())


@given(kind=KIND, contents=st.lists(PLAIN, min_size=2, max_size=6))
@settings(max_examples=200, deadline=None)
def test_the_same_holds_where_spaces_are_characters_of_the_tokenizer(kind, contents):
    messages = [
        {"role": ("user", "assistant")[turn % 2], "content": content}
        for turn, content in enumerate(contents[: len(contents) // 2 * 2])
    ]
    tokenizer, encoder = METASPACE[kind.name]
    example = encoder.encode(conversation(messages))
    assert isinstance(example, Example), example
    got = " ".join(supervised_text(tokenizer, example))
    # decoding a run drops the space it begins with, and unknown characters are not spelled
    if "<unk>" not in got:
        assert got.split() == " ".join(expected_answers(kind, messages)).split()


@given(kind=KIND, messages=turns())
@settings(max_examples=200, deadline=None)
def test_tokens_are_those_of_the_rendered_conversation_without_a_second_bos(kind, messages):
    example = encode(kind, messages)
    tokenizer = TOKENIZERS[kind.name]
    if kind.system or messages[0]["role"] != "system":
        ids = tokenizer.apply_chat_template(messages, tokenize=True, return_dict=True)["input_ids"]
        np.testing.assert_array_equal(example.input_ids, ids)
    assert (example.input_ids[0] == tokenizer.bos_token_id) == kind.starts_with_bos
    assert example.input_ids[1] != tokenizer.bos_token_id
    assert not example.supervised[0]


@given(kind=KIND, messages=turns())
@settings(max_examples=300, deadline=None)
def test_frames_and_prefixes_find_the_same_spans(kind, messages):
    finder = ENCODERS[kind.name]._spans
    (located,) = finder.locate([conversation(messages)])
    try:
        slow = finder._by_prefixes(finder._template.prepare(messages), ())
    except Exception as error:
        # what the slow way cannot tell apart it must refuse, never mask differently
        assert getattr(error, "reason", None) == "template-rewrites-turns"  # noqa: PT017
        return
    if kind.name == "qwen3-thinking":
        assert slow.text == located.text
        assert [end for _, end in slow.spans] == [end for _, end in located.spans]
    assert slow == located


@given(messages=turns(), length=st.integers(2, 200))
@settings(max_examples=200, deadline=None)
def test_truncation_keeps_the_head_and_counts_the_rest(messages, length):
    tokenizer = TOKENIZERS["chatml"]
    whole = ENCODERS["chatml"].encode(conversation(messages))
    cut = Encoder(tokenizer, max_length=length).encode(conversation(messages))
    if isinstance(cut, Drop):
        assert cut.reason == "nothing-left-after-truncation"
        assert not whole.supervised[:length].any()
        return
    assert cut.num_tokens == min(length, whole.num_tokens)
    assert cut.truncated == whole.num_tokens - cut.num_tokens
    np.testing.assert_array_equal(cut.input_ids, whole.input_ids[:length])
    np.testing.assert_array_equal(cut.supervised, whole.supervised[:length])


@given(st.lists(turns(max_exchanges=2), min_size=2, max_size=8), KIND)
@settings(max_examples=60, deadline=None)
def test_encoding_many_at_once_equals_encoding_one_by_one(conversations, kind):
    encoder = ENCODERS[kind.name]
    together = encoder.encode_many([conversation(messages) for messages in conversations])
    for messages, example in zip(conversations, together, strict=True):
        alone = encoder.encode(conversation(messages))
        np.testing.assert_array_equal(alone.input_ids, example.input_ids)
        np.testing.assert_array_equal(alone.supervised, example.supervised)


def ask(question="What is 2 + 2?", answer="It is 4."):
    return [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]


# ---- thinking


def test_a_thinking_block_of_the_last_answer_is_supervised_and_those_of_earlier_ones_are_not_shown():
    messages = ask("one?", "<think>\nfirst thought\n</think>\n\nfirst") + ask(
        "two?", "<think>\nsecond thought\n</think>\n\nsecond"
    )
    example = encode(QWEN3, messages)
    assert supervised_text(TOKENIZERS[QWEN3.name], example) == [
        "first<|im_end|>",
        "<think>\nsecond thought\n</think>\n\nsecond<|im_end|>",
    ]


def test_reasoning_in_a_field_of_its_own_is_supervised():
    messages = ask("one?", "first")
    messages[1]["reasoning_content"] = "a thought"
    example = encode(QWEN3, messages)
    spelled = supervised_text(TOKENIZERS[QWEN3.name], example)
    assert spelled == ["<think>\na thought\n</think>\n\nfirst<|im_end|>"]


@given(thought=TEXT, answer=TEXT)
@settings(max_examples=100, deadline=None)
def test_thinking_blocks_of_any_text_are_masked_whole_or_refused(thought, answer):
    content = f"<think>{thought}</think>{answer}"
    example = encode(QWEN3, ask("q?", content))
    if isinstance(example, Drop):
        assert example.reason.startswith("template-")
        return
    (spelled,) = supervised_text(TOKENIZERS[QWEN3.name], example)
    assert spelled.startswith("<think>\n")
    assert spelled.endswith(answer.lstrip("\n") + "<|im_end|>")
    assert thought.strip() in spelled


def test_thinking_blocks_are_plain_text_to_other_templates():
    example = encode(LLAMA3, ask("q?", "<think>hm</think> so"))
    assert supervised_text(TOKENIZERS[LLAMA3.name], example) == ["<think>hm</think> so<|eot_id|>"]


# ---- templates that refuse or change turns


def test_a_system_turn_the_template_refuses_goes_in_front_of_the_first_question():
    example = encode(GEMMA, [{"role": "system", "content": "Be brief."}, *ask("q?", "a")])
    text = TOKENIZERS[GEMMA.name].decode(example.input_ids.tolist())
    assert text == "<s><start_of_turn>user\nBe brief.\n\nq?<end_of_turn>\n<start_of_turn>model\na<end_of_turn>\n"
    assert any("system" in note for note in ENCODERS[GEMMA.name].notes)


def test_a_template_that_leaves_system_turns_out_without_a_word_gets_them_in_the_question():
    silent = "{% for m in messages %}{% if m.role != 'system' %}" + CHATML.replace(
        "{% for message in messages %}", "{% set message = m %}"
    ).replace("{% endfor %}", "{% endif %}{% endfor %}")
    tokenizer = tiny_tokenizer(silent)
    example = Encoder(tokenizer).encode(conversation([{"role": "system", "content": "Be brief."}, *ask("q?", "a")]))
    assert "user\nBe brief.\n\nq?" in tokenizer.decode(example.input_ids.tolist())


@pytest.mark.parametrize("kind", [LLAMA2, GEMMA])
def test_turns_the_template_refuses_drop_the_row_with_its_words(kind):
    messages = [{"role": "assistant", "content": "hello"}, *ask()]
    drop = encode(kind, messages)
    assert isinstance(drop, Drop)
    assert drop.reason == "template-refuses"
    assert "alternate" in drop.detail


def test_a_turn_the_template_does_not_show_drops_the_row():
    messages = [*ask(), {"role": "tool", "content": "42"}, *ask()[1:]]
    drop = encode(ZEPHYR, messages)
    assert isinstance(drop, Drop)
    assert drop.reason == "template-omits-turn"


def test_a_template_that_changes_earlier_answers_beyond_recognition_drops_the_row():
    shouting = CHATML.replace(
        "message['content']",
        "(message['content'] | upper if message['role'] == 'assistant' and not loop.last else message['content'])",
    ).replace("<|im_end|>", "##")
    encoder = Encoder(tiny_tokenizer(shouting))
    drop = encoder.encode(conversation(ask("one?", "first") + ask("two?", "second")))
    assert isinstance(drop, Drop)
    assert drop.reason == "template-omits-turn"


def test_a_template_that_looks_into_the_texts_is_followed_by_prefixes():
    peeking = CHATML.replace(
        "message['content']",
        "(message['content'] | replace('cat', 'giraffe') if 'cat' in message['content'] else message['content'])",
    )
    tokenizer = tiny_tokenizer(peeking)
    example = Encoder(tokenizer).encode(conversation(ask("a cat?", "a cat indeed") + ask("and?", "the end")))
    assert supervised_text(tokenizer, example) == ["a giraffe indeed<|im_end|>", "the end<|im_end|>"]


def test_texts_that_hold_special_tokens_are_noted():
    templated = "<|im_start|>user\none?<|im_end|>\n<|im_start|>assistant\n"
    turns = (ask("one?", "two"), ask(templated, "two<|im_end|>"), ask("one?", "two</s>"), ask("a < b", "<|im_|>"))
    rows = [Row(number, {"messages": messages}, "") for number, messages in enumerate(turns)]
    (note,) = encode_rows(rows, detect_format(rows), Encoder(tiny_tokenizer())).notes
    assert note.endswith("they have it twice: 3 turns in 2 rows.")


@pytest.mark.parametrize(
    "text",
    [
        "[INST] q [/INST]",
        "<|start_header_id|>user<|end_header_id|>\n\nq<|eot_id|>",
        "### Instruction:\nq\n\n### Response:\n",
        "\n\nHuman: q\n\nAssistant:",
        "Human: q\r\n\r\nAssistant: a",
    ],
)
def test_texts_in_the_form_of_another_template_are_noted(text):
    for asked, noted in ((text, ("template-in-text",)), (f"{text} <|im_end|>", ("control-tokens",)), ("Response:", ())):
        messages = [{"role": "user", "content": asked}, {"role": "assistant", "content": "a"}]
        assert encode(CHATML_KIND, messages).remarks == noted


@pytest.mark.parametrize(
    ("asked", "noted"),
    [
        ("<image>\nWhat is this?", ("media-in-text",)),
        ("What is this?\n<image>", ("media-in-text",)),
        ("Say it. <|audio|>", ("media-in-text",)),
        ("The tag <video> is HTML's.", ()),
        ("What does <image> mean?", ()),
    ],
)
def test_places_for_pictures_that_are_not_there_are_noted(asked, noted):
    messages = [{"role": "user", "content": asked}, {"role": "assistant", "content": "a"}]
    assert encode(CHATML_KIND, messages).remarks == noted


@pytest.mark.parametrize("given", [{}, {"eos": "<unk>"}])
def test_characters_without_a_token_are_noted(given):
    encoder = Encoder(tiny_tokenizer(metaspace=True, **given))
    known, other = ask("one?", "two"), ask("one?", "two 早 ①")
    rows = [Row(number, {"messages": turns}, "") for number, turns in enumerate((known, other, other))]
    notes = encode_rows(rows, detect_format(rows), encoder).notes
    assert [note.endswith("its unknown one: 2 rows.") for note in notes] == ([] if given else [True])


def test_a_template_that_cannot_show_an_exchange_is_an_input_error():
    with pytest.raises(InputError, match="cannot show a question"):
        Encoder(tiny_tokenizer("{{ raise_exception('never') }}"))


def test_a_template_that_refuses_a_question_without_its_answer_is_an_input_error():
    template = "{% if messages[-1].role == 'user' %}{{ raise_exception('end with an answer') }}{% endif %}" + CHATML
    with pytest.raises(InputError, match=r"does not show a question without its answer: .*end with an answer"):
        Encoder(tiny_tokenizer(template))


# ---- tools

TOOLS = ({"type": "function", "function": {"name": "add", "parameters": {"type": "object"}}},)
TOOL_TEMPLATE = (
    "{% if tools %}{{ '<|im_start|>system\n' + (tools | tojson) + '<|im_end|>\n' }}{% endif %}"
    "{% for message in messages %}{{ '<|im_start|>' + message.role + '\n' + message.content }}"
    "{% for call in message.tool_calls or [] %}{{ '<tool_call>' + (call.function | tojson) + '</tool_call>' }}"
    "{% endfor %}{{ '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


def test_tool_calls_are_supervised_and_tool_results_are_not():
    tokenizer = tiny_tokenizer(TOOL_TEMPLATE)
    call = {"type": "function", "function": {"name": "add", "arguments": {"a": 1, "b": 2}}}
    messages = [
        {"role": "user", "content": "1 + 2?"},
        {"role": "assistant", "content": "", "tool_calls": [call]},
        {"role": "tool", "content": "3"},
        {"role": "assistant", "content": "It is 3."},
    ]
    example = Encoder(tokenizer).encode(conversation(messages, tools=TOOLS))
    assert supervised_text(tokenizer, example) == [
        '<tool_call>{"name": "add", "arguments": {"a": 1, "b": 2}}</tool_call><|im_end|>',
        "It is 3.<|im_end|>",
    ]
    assert '"parameters"' in tokenizer.decode(example.input_ids.tolist())


def test_a_tool_call_the_template_does_not_show_is_never_masked_as_an_empty_answer():
    messages = [*ask()[:1], {"role": "assistant", "content": "", "tool_calls": [{"function": {"name": "add"}}]}]
    result = encode(DEFAULT_SYSTEM, messages)
    assert isinstance(result, Drop)
    assert result.reason == "template-omits-turn"


def test_a_tool_result_the_template_does_not_show_drops_the_row():
    template = TOOL_TEMPLATE.replace(
        "{{ '<|im_start|>'", "{% if message.role != 'tool' %}{{ '<|im_start|>'", 2
    ).replace("{% if tools %}{% if message.role != 'tool' %}", "{% if tools %}")
    template = template.replace("{{ '<|im_end|>\n' }}{% endfor %}", "{{ '<|im_end|>\n' }}{% endif %}{% endfor %}", 1)
    messages = [
        {"role": "user", "content": "1 + 2?"},
        {"role": "assistant", "content": "", "tool_calls": [{"function": {"name": "add", "arguments": {}}}]},
        {"role": "tool", "content": "3"},
        {"role": "assistant", "content": "It is 3."},
    ]
    drop = Encoder(tiny_tokenizer(template)).encode(conversation(messages))
    assert isinstance(drop, Drop), drop
    assert drop.reason == "template-omits-turn"
    assert "turn 3 (tool)" in drop.detail


RESULT_INSIDE = (  # as Gemma 4: what a tool gave stands in the answer that called it, before that answer's words
    "{% for message in messages %}{% if message.role != 'tool' %}{{ '<|im_start|>' + message.role + '\n' }}"
    "{% for call in message.tool_calls or [] %}{{ '<call>' + (call.function | tojson) + '</call>' }}{% endfor %}"
    "{% if message.tool_calls and loop.nextitem %}{{ '<result>' + loop.nextitem.content + '</result>' }}{% endif %}"
    "{{ message.content + '<|im_end|>\n' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


@pytest.mark.parametrize("untrained", [(), (1,), (3,)])
def test_a_tool_result_that_the_template_puts_into_the_answer_before_it_is_never_supervised(untrained):
    tokenizer = tiny_tokenizer(RESULT_INSIDE)
    messages = [
        {"role": "user", "content": "1 + 2?"},
        {
            "role": "assistant",
            "content": "I add.",
            "tool_calls": [{"function": {"name": "add", "arguments": {"a": 1}}}],
        },
        {"role": "tool", "content": "3"},
        {"role": "assistant", "content": "It is three."},
    ]
    result = Encoder(tokenizer).encode(conversation(messages, untrained=untrained))
    if 1 in untrained:
        assert supervised_text(tokenizer, result) == ["It is three.<|im_end|>"]
    else:
        assert isinstance(result, Drop), supervised_text(tokenizer, result)
        assert (result.reason, "turn 2" in result.detail) == ("template-rewrites-turns", True)


def test_stand_ins_are_rendered_once_however_many_answers_are_rewritten(monkeypatch):
    encoder = Encoder(
        tiny_tokenizer(tool_template().replace("reasoning_content %", "reasoning_content and loop.last %"))
    )
    messages = [message for turn in range(3) for message in ask(f"question {turn}", "an answer")]
    messages[1::2] = [{**answer, "reasoning_content": "thought"} for answer in messages[1::2]]
    messages[-1]["tool_calls"] = [{"function": {"name": "add", "arguments": {}}}]
    rendered, render = [], ChatTemplate.render

    def watched(self, messages, *rest, **options):
        rendered.append(messages)
        return render(self, messages, *rest, **options)

    monkeypatch.setattr(ChatTemplate, "render", watched)
    assert encoder.encode(conversation(messages)).remarks == ("reasoning-cut",) * 2
    assert sum(len(them) == 6 and them[0]["content"] != "question 0" for them in rendered) == 1


def test_a_header_that_the_prompt_lacks_after_a_tool_result_is_not_supervised():
    template = TOOL_TEMPLATE.replace(
        "{% if add_generation_prompt %}", "{% if add_generation_prompt and messages[-1].role != 'tool' %}"
    )
    tokenizer = tiny_tokenizer(template)
    messages = [
        {"role": "user", "content": "1 + 2?"},
        {"role": "assistant", "content": "", "tool_calls": [{"function": {"name": "add"}}]},
        {"role": "tool", "content": "3"},
        {"role": "assistant", "content": "It is 3."},
    ]
    example = Encoder(tokenizer).encode(conversation(messages))
    assert supervised_text(tokenizer, example)[-1] == "It is 3.<|im_end|>"


# ---- one conversation in many spellings

TOOL_TOKENIZERS = {name: tiny_tokenizer(template) for name, template in TOOL_TEMPLATES.items()}
TOOL_ENCODERS = {name: Encoder(tokenizer) for name, tokenizer in TOOL_TOKENIZERS.items()}


def encode_row(encoder: Encoder, raw) -> Example | Drop:
    row = Row(0, raw, "file.jsonl:1")
    read = detect_format([row]).read(row)
    return read if isinstance(read, Drop) else encoder.encode(read)


@given(answers=CONVERSATIONS, name=st.sampled_from(list(TOOL_TEMPLATES)), data=st.data())
@settings(max_examples=300, deadline=None)
def test_however_a_row_is_spelled_and_padded_its_answers_are_supervised_as_they_are_meant(answers, name, data):
    raw = data.draw(spelled(answers))
    example = encode_row(TOOL_ENCODERS[name], raw)
    assert isinstance(example, Example), example
    assert supervised_text(TOOL_TOKENIZERS[name], example) == expected_of_tool_template(answers)
    usual = encode_row(TOOL_ENCODERS["reasoning_content"], plain_row(answers))
    np.testing.assert_array_equal(example.input_ids, usual.input_ids)
    np.testing.assert_array_equal(example.supervised, usual.supervised)
    assert example.remarks == ()


@given(kind=KIND, messages=turns(), data=st.data())
@settings(max_examples=200, deadline=None)
def test_untrained_answers_have_no_supervised_token_and_the_others_keep_theirs(kind, messages, data):
    places = [place for place, message in enumerate(messages) if message["role"] == "assistant"]
    untrained = data.draw(st.sets(st.sampled_from(places)))
    whole = encode(kind, messages)
    some = ENCODERS[kind.name].encode(conversation(messages, untrained=frozenset(untrained)))
    if len(untrained) == len(places):
        assert isinstance(some, Drop)
        assert some.reason == "no-supervised-token"
        return
    np.testing.assert_array_equal(some.input_ids, whole.input_ids)
    tokenizer = TOKENIZERS[kind.name]
    kept = [
        text for place, text in zip(places, supervised_text(tokenizer, whole), strict=True) if place not in untrained
    ]
    assert supervised_text(tokenizer, some) == kept
    assert not (some.supervised & ~whole.supervised).any()


@pytest.mark.parametrize("encoder", TOOL_ENCODERS.values(), ids=TOOL_ENCODERS)
def test_arguments_are_shown_as_json_never_as_json_in_a_string(encoder):
    call = {"function": {"name": "add", "arguments": '{"a": 1, "b": [2, "c"]}'}}
    messages = [*ask()[:1], {"role": "assistant", "content": None, "tool_calls": [call]}]
    example = encode_row(encoder, {"messages": messages})
    tokenizer = TOOL_TOKENIZERS["reasoning_content"]
    assert supervised_text(tokenizer, example) == ['<call>add {"a": 1, "b": [2, "c"]}</call><|im_end|>']


# ---- what a template leaves out

CALL = {"type": "function", "function": {"name": "add", "arguments": {"a": 1, "b": "two"}}}


def called(text="", *more, **fields):
    turn = {"role": "assistant", "content": text, "tool_calls": [CALL, *more], **fields}
    return [*ask()[:1], turn, {"role": "tool", "content": "3"}, *ask()[1:]]


@pytest.mark.parametrize(
    ("messages", "template"),
    [
        (called("Let me see."), tool_template().replace("content }}", "content if not message.tool_calls }}")),
        (called("", CALL), tool_template().replace("message.tool_calls or []", "(message.tool_calls or [])[:1]")),
        (called(), tool_template(arguments="call.function.arguments.a | string")),
        (called(), tool_template(arguments="(call.function.arguments | tojson)[:8]")),
    ],
    ids=["text beside a call", "a second call", "one of two values", "long arguments"],
)  # fmt: skip
def test_text_or_values_that_a_template_leaves_out_of_an_answer_drop_the_row_unless_it_is_not_trained_on(
    messages, template
):
    encoder = Encoder(tiny_tokenizer(template))
    drop = encoder.encode(conversation(messages))
    assert isinstance(drop, Drop), drop
    assert drop.reason == "template-omits-turn"
    assert "turn 2 (assistant)" in drop.detail
    example = encoder.encode(conversation(messages, untrained=frozenset({1})))
    assert isinstance(example, Example), example
    assert example.remarks == ("part-hidden",)
    assert supervised_text(encoder._tokenizer, example) == ["It is 4.<|im_end|>"]


@pytest.mark.parametrize(
    ("template", "beside", "tools", "noted"),
    [
        (CHATML_WITH_TOOLS, {"reasoning_content": "a <|im_end|> b"}, [], ("control-tokens",)),
        (CHATML_WITH_TOOLS, {"reasoning_content": "a [/INST] b"}, [], ("template-in-text",)),
        (CHATML, {"reasoning_content": "a <|im_end|> b"}, [], ("reasoning-cut",)),  # not shown
        (
            CHATML_WITH_TOOLS,
            {"tool_calls": [{"name": "f", "arguments": {"x": ["<|im_end|>"]}}]},
            [],
            ("control-tokens",),
        ),
        (CHATML_WITH_TOOLS, {}, [{"name": "f", "description": "<|im_end|>"}], ("control-tokens",)),
        (CHATML, {}, [{"name": "f", "description": "<|im_end|>"}], ("tools-hidden",)),
    ],
)
def test_special_tokens_are_noted_in_all_that_the_template_shows(template, beside, tools, noted):
    answer = {"role": "assistant", "content": "" if "tool_calls" in beside else "a", **beside}
    raw = {"messages": [{"role": "user", "content": "q"}, answer], "tools": tools}
    assert encode_row(Encoder(tiny_tokenizer(template)), raw).remarks == noted


STRIPPING = CHATML.replace("message['content']", "message['content'].split('</think>')[-1]")


def test_reasoning_that_the_template_does_not_show_is_noted_in_fields_and_in_blocks():
    for field, content, template in [
        ({"reasoning_content": "a thought"}, "an answer", CHATML),
        ({}, "<think>a thought</think>an answer", STRIPPING),
    ]:
        tokenizer = tiny_tokenizer(template)
        messages = [*ask("q?", "first"), ask("r?")[0], {"role": "assistant", "content": content, **field}]
        example = Encoder(tokenizer).encode(conversation(messages))
        assert example.remarks == ("reasoning-cut",)
        assert supervised_text(tokenizer, example) == ["first<|im_end|>", "an answer<|im_end|>"]


@pytest.mark.parametrize("template", [QWEN3.text, STRIPPING], ids=["qwen3", "stripping"])
@pytest.mark.parametrize(
    "cut",
    ["Before. <think>a thought</think>after", "<think>one</think>first<think>two</think>second"],
    ids=["before a block", "between blocks"],
)
@pytest.mark.parametrize("earlier", [True, False])
def test_what_an_answer_says_is_not_cut_with_its_reasoning_unseen(template, cut, earlier):
    messages = ask("q?", cut) + (ask("r?", "b") if earlier else [])
    drop = Encoder(tiny_tokenizer(template)).encode(conversation(messages))
    assert isinstance(drop, Drop), drop
    assert drop.reason == "template-omits-turn"
    assert drop.detail == "the chat template does not show all of the text of turn 2 (assistant)"
    shown = encode(CHATML_KIND, messages)
    assert supervised_text(TOKENIZERS[CHATML_KIND.name], shown)[0] == f"{cut}<|im_end|>"
    assert shown.remarks == ()


def test_all_before_a_tag_that_the_prompt_opens_is_reasoning():
    answer = "a thought\n</think>\n\nan answer"
    tokenizer = tiny_tokenizer(STRIPPING)
    example = Encoder(tokenizer).encode(conversation(ask("q?", answer)))
    assert example.remarks == ("reasoning-cut",)
    assert supervised_text(tokenizer, example) == ["\n\nan answer<|im_end|>"]
    last = encode(QWEN3, ask("q?", answer))
    assert last.remarks == ()
    assert supervised_text(TOKENIZERS[QWEN3.name], last) == ["<think>\na thought\n</think>\n\nan answer<|im_end|>"]
    assert encode(QWEN3, ask("q?", answer) + ask("r?", "b")).remarks == ("reasoning-cut",)


def test_an_answer_that_only_thinks_is_dropped_where_thoughts_are_not_shown():
    messages = ask("q?", "<think>a thought</think>") + ask("r?", "b")
    for template in (QWEN3.text, STRIPPING):
        drop = Encoder(tiny_tokenizer(template)).encode(conversation(messages))
        assert isinstance(drop, Drop), drop
        assert (drop.reason, "turn 2" in drop.detail) == ("template-omits-turn", True)
    assert isinstance(encode(CHATML_KIND, messages), Example)


@pytest.mark.parametrize("text", ["<think>", "</think>", "<think></think>", "<think>\n\n</think>\n\n"])
@pytest.mark.parametrize("template", [CHATML, QWEN3.text, STRIPPING], ids=["chatml", "qwen3", "stripping"])
@pytest.mark.parametrize("earlier", [True, False])
def test_an_answer_of_tags_alone_is_masked_or_dropped_and_ends_no_run(text, template, earlier):
    tokenizer = tiny_tokenizer(template)
    found = Encoder(tokenizer).encode(conversation(ask("q?", text) + (ask("r?", "b") if earlier else [])))
    if template == CHATML:
        assert supervised_text(tokenizer, found)[0] == f"{text}<|im_end|>"
    assert isinstance(found, Example) or found.reason.startswith("template-")


def test_a_block_that_the_template_shows_is_not_noted():
    assert encode(CHATML_KIND, ask("q?", "<think>a thought</think>an answer")).remarks == ()


def test_a_system_turn_that_is_moved_is_noted_and_one_at_the_front_is_not():
    late = [*ask("q?", "a"), {"role": "system", "content": "Be brief."}, *ask("r?", "b")]
    assert encode(GEMMA, late).remarks == ("turns-moved",)
    assert encode(CHATML_KIND, late).remarks == ()
    assert encode(GEMMA, [{"role": "system", "content": "Be brief."}, *ask()]).remarks == ()
    collecting = "{% for m in messages if m.role == 'system' %}{{ m.content }}{% endfor %}" + CHATML.replace(
        "for message in messages", "for message in messages if message['role'] != 'system'"
    )
    assert Encoder(tiny_tokenizer(collecting)).encode(conversation(late)).remarks == ("turns-moved",)


def test_tools_and_names_that_the_template_does_not_show_are_noted():
    hidden = ENCODERS["chatml"].encode(conversation([{**ask()[0], "name": "Ann"}, *ask()[1:]], tools=TOOLS))
    assert sorted(hidden.remarks) == ["names-hidden", "tools-hidden"]
    assert TOOL_ENCODERS["reasoning_content"].encode(conversation(ask(), tools=TOOLS)).remarks == ()


def test_a_prompt_that_opens_a_block_which_the_call_does_not_show_ends_where_the_two_part():
    opening = tool_template().replace("{{ '<|im_start|>assistant\n' }}", "{{ '<|im_start|>assistant\n<think>\n' }}")
    assert "<think>\n' }}{% endif %}" in opening
    tokenizer = tiny_tokenizer(opening)
    example = Encoder(tokenizer).encode(conversation(called()))
    assert supervised_text(tokenizer, example)[0] == '<call>add {"a": 1, "b": "two"}</call><|im_end|>'


# ---- generation marks


def test_marks_that_cover_answer_and_end_of_turn_are_used():
    narrow = MARKED.text.replace(
        "{% generation %}{{ message['content']", "{{ message['content'][:2] }}{% generation %}{{ message['content'][2:]"
    )
    tokenizer = tiny_tokenizer(narrow)
    example = Encoder(tokenizer).encode(conversation(ask("q?", "qzqzqzqz")))
    assert supervised_text(tokenizer, example) == ["qzqzqz<|im_end|>"]


def test_marks_without_the_end_of_turn_are_not_trusted():
    example = encode(MARKED_SHORT, ask("q?", "an answer"))
    assert supervised_text(TOKENIZERS[MARKED_SHORT.name], example) == ["an answer<|im_end|>"]


def test_marks_that_reach_into_the_prompt_are_not_trusted():
    wide = MARKED.text.replace(
        "{{ '<|im_start|>assistant\n' }}{% generation %}", "{% generation %}{{ '<|im_start|>assistant\n' }}"
    )
    tokenizer = tiny_tokenizer(wide)
    example = Encoder(tokenizer).encode(conversation(ask("q?", "an answer")))
    assert supervised_text(tokenizer, example) == ["an answer<|im_end|>"]


# ---- headers, BOS, fallback


def test_a_header_that_is_never_shown_alone_is_not_supervised():
    example = encode(NO_PROMPT, ask("q?", "an answer"))
    assert supervised_text(TOKENIZERS[NO_PROMPT.name], example) == ["an answer<|im_end|>"]


def test_a_tokenizer_that_adds_bos_to_a_template_that_writes_it_gives_one():
    tokenizer = tiny_tokenizer(LLAMA3.text, eos=LLAMA3.eos, special=LLAMA3.special, add_bos=True)
    example = Encoder(tokenizer).encode(conversation(ask()))
    assert (example.input_ids == tokenizer.bos_token_id).sum() == 1
    np.testing.assert_array_equal(example.input_ids, encode(LLAMA3, ask()).input_ids)


def test_a_tokenizer_that_adds_bos_against_the_callers_wish_gives_one():
    tokenizer = tiny_tokenizer(LLAMA3.text, eos=LLAMA3.eos, special=LLAMA3.special, add_bos=True)

    class Stubborn(type(tokenizer)):
        def __call__(self, *args, **kwargs):
            return super().__call__(*args, **{**kwargs, "add_special_tokens": True})

    tokenizer.__class__ = Stubborn
    example = Encoder(tokenizer).encode(conversation(ask()))
    np.testing.assert_array_equal(example.input_ids, encode(LLAMA3, ask()).input_ids)
    np.testing.assert_array_equal(example.supervised, encode(LLAMA3, ask()).supervised)


@pytest.mark.parametrize("add_bos", [True, False])
def test_a_tokenizer_without_a_template_gets_the_stated_fallback_with_eos_supervised(add_bos):
    tokenizer = tiny_tokenizer(None, eos="</s>", add_bos=add_bos)
    encoder = Encoder(tokenizer)
    assert encoder.fallback == "### Instruction / ### Response"
    assert any(encoder.fallback in note for note in encoder.notes)
    example = encoder.encode(
        conversation([{"role": "system", "content": "Be brief."}, *ask("q?", "a"), *ask("r?", "b")])
    )
    assert supervised_text(tokenizer, example) == ["a</s>", "b</s>"]
    text = tokenizer.decode(example.input_ids.tolist())
    assert text == ("<s>" if add_bos else "") + (
        "Be brief.\n\n### Instruction:\nq?\n\n### Response:\na</s>\n\n### Instruction:\nr?\n\n### Response:\nb</s>\n\n"
    )


def test_the_template_hash_is_that_of_its_text():
    import hashlib

    assert ENCODERS["chatml"].template_hash == hashlib.sha256(CHATML.encode()).hexdigest()
    assert ENCODERS["chatml"].fallback is None
    assert Encoder(tiny_tokenizer(None)).template_hash != ENCODERS["chatml"].template_hash


def test_a_template_without_any_end_of_turn_says_so():
    template = (
        "{% for m in messages %}{{ m.role + ': ' + m.content + '\n' }}{% endfor %}"
        "{% if add_generation_prompt %}{{ 'assistant: ' }}{% endif %}"
    )
    tokenizer = tiny_tokenizer(template)
    encoder = Encoder(tokenizer)
    assert any("no end-of-turn" in note for note in encoder.notes)
    spelled = supervised_text(tokenizer, encoder.encode(conversation(ask("q?", "the answer"))))
    # the space belongs to the word piece that carries it
    assert [s.strip() for s in spelled] == ["the answer"]


def test_a_space_that_ends_the_header_is_supervised_only_inside_a_word_piece():
    colon = CHATML.replace("+ '\n' + message['content']", "+ ': ' + message['content']").replace(
        "<|im_start|>assistant\n", "<|im_start|>assistant: "
    )
    tokenizer = tiny_tokenizer(colon)
    answers = ["the", "7"]
    spelled = [supervised_text(tokenizer, Encoder(tokenizer).encode(conversation(ask("q?", a)))) for a in answers]
    assert tokenizer.tokenize(" the") == ["Ġthe"]
    assert tokenizer.tokenize(" 7") == ["Ġ", "7"]
    assert spelled == [[" the<|im_end|>"], ["7<|im_end|>"]]


def test_tokens_of_trimmed_spaces_before_an_answer_are_not_supervised():
    # byte-level tokenizers that trim offsets give a lone space an empty range, at the first character of the answer
    located = Located(messages=(), text="a: b.", spans=((3, 5),))
    assert mask_of(located, [(0, 1), (1, 2), (3, 3), (3, 4), (4, 5)]).tolist() == [False, False, False, True, True]
    assert mask_of(located, []).tolist() == []


def test_a_template_without_bos_gets_none_though_the_tokenizer_would_add_one():
    example = Encoder(tiny_tokenizer(CHATML, add_bos=True)).encode(conversation(ask()))
    np.testing.assert_array_equal(example.input_ids, encode(CHATML_KIND, ask()).input_ids)


@pytest.mark.parametrize(
    "date",
    [
        "{{ date_string if date_string is defined else strftime_now('%d %b %Y') }}",
        "{% macro today() %}{{ strftime_now('%d %b %Y') }}{% endmacro %}{{ today() }}",
    ],
)
def test_a_date_in_the_template_is_always_the_same(date: str):
    dated = date + "\n" + CHATML
    tokenizer = tiny_tokenizer(dated)
    text = tokenizer.decode(Encoder(tokenizer).encode(conversation(ask())).input_ids.tolist())
    assert text.startswith("26 Jul 2024\n")


def test_an_end_of_turn_that_differs_in_earlier_answers_is_left_out_and_said():
    last = "('<|return|>' if loop.last and message['role'] == 'assistant' else '<|im_end|>')"
    tokenizer = tiny_tokenizer(CHATML.replace("'<|im_end|>'", last), special=("<|return|>",))
    encoder = Encoder(tokenizer)
    assert any("answers that others follow" in note for note in encoder.notes)
    example = encoder.encode(conversation(ask("q?", "a") + ask("r?", "b")))
    assert supervised_text(tokenizer, example) == ["a", "b<|return|>"]


def test_a_template_for_lists_of_parts_only_is_an_input_error():
    template = "{% for m in messages %}{% for part in m.content %}{{ part.text }}{% endfor %}{% endfor %}"
    with pytest.raises(InputError, match="does not show a plain question"):
        Encoder(tiny_tokenizer(template))


def test_a_tokenizer_without_offsets_is_an_input_error():
    tokenizer = tiny_tokenizer()
    tokenizer.__class__ = type("Slow", (type(tokenizer),), {"is_fast": False})
    with pytest.raises(InputError, match="Slow: gives no character offsets"):
        Encoder(tokenizer)


def test_untrained_answers_are_left_out_of_what_marks_narrow():
    narrow = MARKED.text.replace(
        "{% generation %}{{ message['content']", "{{ message['content'][:2] }}{% generation %}{{ message['content'][2:]"
    )
    tokenizer = tiny_tokenizer(narrow)
    messages = ask("q?", "qzqzqzqz") + ask("r?", "zqzqzqzq")
    example = Encoder(tokenizer).encode(conversation(messages, untrained=frozenset({1})))
    assert supervised_text(tokenizer, example) == ["zqzqzq<|im_end|>"]


NARROW_WITH_TOOLS = (  # the first two characters of an answer are not marked; a call without tools is refused
    "{% if tools %}{{ (tools | tojson) + '\n' }}{% endif %}"
    "{% for message in messages %}{{ '<|im_start|>' + message.role + '\n' }}{% if message.role == 'assistant' %}"
    "{% if message.tool_calls and not tools %}{{ raise_exception('a call without tools') }}{% endif %}"
    "{{ message.content[:2] }}{% generation %}{{ message.content[2:] }}"
    "{% for call in message.tool_calls or [] %}{{ '<call>' + (call.function | tojson) + '</call>' }}{% endfor %}"
    "{{ '<|im_end|>' }}{% endgeneration %}{{ '\n' }}{% else %}{{ message.content + '<|im_end|>\n' }}{% endif %}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


def test_marks_narrow_rows_with_tools_as_they_do_rows_without():
    tokenizer = tiny_tokenizer(NARROW_WITH_TOOLS)
    called = [*ask("q?", "qzqzqzqz")[:1], {"role": "assistant", "content": "qzqzqzqz", "tool_calls": [CALL]}]
    some = [conversation(called, tools=TOOLS), conversation(ask("q?", "qzqzqzqz")), conversation(ask(), tools=TOOLS)]
    told = [supervised_text(tokenizer, example) for example in Encoder(tokenizer).encode_many(some)]
    call = json.dumps(CALL["function"])
    assert told == [[f"qzqzqz<call>{call}</call><|im_end|>"], ["qzqzqz<|im_end|>"], [" is 4.<|im_end|>"]]


def test_where_the_template_refuses_to_show_its_marks_the_mask_is_ours(monkeypatch):
    tokenizer = tiny_tokenizer(MARKED.text)
    encoder, real = Encoder(tokenizer), tokenizer.apply_chat_template

    def apply(conversations, *, return_assistant_tokens_mask=False, **options):
        if return_assistant_tokens_mask and any(turns[0]["content"] == "bad" for turns in conversations):
            raise jinja2.exceptions.UndefinedError("no marks for this")
        return real(conversations, return_assistant_tokens_mask=return_assistant_tokens_mask, **options)

    monkeypatch.setattr(tokenizer, "apply_chat_template", apply)
    found = encoder.encode_many([conversation(ask("bad", "a")), conversation(ask("good", "b"))])
    assert [supervised_text(tokenizer, example) for example in found] == [["a<|im_end|>"], ["b<|im_end|>"]]


@pytest.mark.parametrize("length", [1, 0, -3])
def test_a_max_length_without_room_for_a_target_is_refused(length):
    with pytest.raises(InputError, match=f"max_length={length}"):
        Encoder(TOKENIZERS["chatml"], max_length=length)


# ---- whole corpora


def rows_of(*raws):
    return [Row(number, raw, f"file.jsonl:{number + 1}") for number, raw in enumerate(raws)]


def test_every_row_becomes_an_example_or_a_drop_in_order():
    rows = rows_of(
        {"question": "one?", "answer": "1", "source": "a"},
        {"question": "two?", "answer": " "},
        {"question": "three?"},
        {"question": "four?", "answer": "4", "dataset": "b"},
    )
    steps = []
    encoded = encode_rows(rows, detect_format(rows), ENCODERS["chatml"], steps.append)
    assert [example.row for example in encoded.examples] == [0, 3]
    assert [example.source for example in encoded.examples] == ["a", "b"]
    assert [example.content_hash for example in encoded.examples] == [rows[0].content_hash, rows[3].content_hash]
    assert [(drop.row, drop.reason) for drop in encoded.drops] == [(1, "empty-turn"), (2, "missing-field")]
    assert encoded.reasons == {"empty-turn": 1, "missing-field": 1}
    assert sum(steps) == 4


def test_a_corpus_without_one_usable_row_is_an_input_error_that_counts_the_reasons():
    rows = rows_of({"question": "one?", "answer": ""}, {"question": " ", "answer": "2"})
    with pytest.raises(InputError, match=r"none of the 2 rows.*empty-turn 2.*file.jsonl:1.*turn 2"):
        encode_rows(rows, detect_format(rows), ENCODERS["chatml"])


def test_truncated_examples_are_counted():
    rows = rows_of({"question": "one?", "answer": "1"}, {"question": "two?", "answer": "2 " * 100})
    encoded = encode_rows(rows, detect_format(rows), Encoder(TOKENIZERS["chatml"], max_length=40))
    assert encoded.truncated == 1
    assert encoded.num_tokens == sum(example.num_tokens for example in encoded.examples)
    assert encoded.examples[1].num_tokens == 40


def test_what_nobody_read_and_what_the_template_did_is_noted_with_counts():
    rows = rows_of(
        {"question": "one?", "answer": 1.0, "id": 7, "tags": [], "note": None},
        {"question": "two?", "answer": "2", "id": 8, "category": "x"},
        {"question": "three?", "answer": "", "other": "of a row that is dropped"},
    )
    assert encode_rows(rows, detect_format(rows), ENCODERS["chatml"]).notes == (
        "Whole numbers that are stored with a point are read without it, 4.0 as 4: 1 row.",
        "Not read: row fields `id` (2 rows), `category` (1).",
    )
    turns = [{**ask()[0], "date": "today"}, {**ask()[1], "weight": 0, "thinking": "hm"}, *ask("r?", "b")]
    rows = rows_of({"messages": [{**turn, "score": 1} for turn in turns]}, {"messages": turns})
    assert encode_rows(rows, detect_format(rows), ENCODERS["chatml"]).notes == (
        "Shown but not trained on, as the rows say (weight, train, loss) or as part of a prompt: 2 turns in 2 rows.",
        "Reasoning that the chat template does not show, and that is not trained on: 2 turns in 2 rows.",
        "Not read: turn fields `score` (4 turns), `date` (2).",
    )


def test_a_note_on_many_fields_names_the_most_frequent():
    rows = rows_of({"question": "one?", "answer": "1", **{f"f{place}": 1 for place in range(12)}})
    (note,) = encode_rows(rows, detect_format(rows), ENCODERS["chatml"]).notes
    assert note.startswith("Not read: row fields `f0` (1 row), `f1` (1), `f10` (1), ")
    assert note.endswith(", `f5` (1), and 4 more.")


def test_a_note_on_many_fields_names_those_first_that_may_decide_what_is_trained_on():
    beside = {**{f"f{place}": 1 for place in range(12)}, "loss": 0.7, "reasoning": "r"}
    rows = rows_of({"question": "one?", "answer": "1", **beside}, {"question": "two?", "answer": "2", "f0": 1})
    (note,) = encode_rows(rows, detect_format(rows), ENCODERS["chatml"]).notes
    assert note.startswith("Not read: row fields `loss` (1 row), `reasoning` (1), `f0` (2), `f1` (1), ")
