import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from spice_select.data.encoding import Encoder
from spice_select.data.encoding.segments import segments
from spice_select.data.records import Example
from spice_select.testing.tokenizers import tiny_tokenizer
from tests.data.oracle import conversation

TOKENIZER = tiny_tokenizer()


def example_of(ids, supervised):
    return Example(
        row=0,
        input_ids=np.array(ids, dtype=np.int32),
        supervised=np.array(supervised, dtype=np.bool_),
        source="",
        content_hash="",
    )


def test_a_conversation_is_shown_in_runs_with_special_tokens_written_out():
    messages = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "good 早上 😀"}]
    shown = segments(Encoder(TOKENIZER).encode(conversation(messages)), TOKENIZER)
    assert [(segment.text, segment.supervised) for segment in shown] == [
        ("<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n", False),
        ("good 早上 😀<|im_end|>", True),
        ("\n", False),
    ]


@given(st.text(alphabet="ab é早上😀\n", min_size=1, max_size=20), st.data())
@settings(max_examples=200, deadline=None)
def test_segments_join_to_the_text_and_no_character_is_cut(text, data):
    ids = TOKENIZER(text, add_special_tokens=False)["input_ids"]
    supervised = data.draw(st.lists(st.booleans(), min_size=len(ids), max_size=len(ids)))
    shown = segments(example_of(ids, supervised), TOKENIZER)
    assert "".join(segment.text for segment in shown) == text
    assert all("\ufffd" not in segment.text for segment in shown)


def test_a_half_character_goes_to_the_later_run():
    ids = TOKENIZER("😀", add_special_tokens=False)["input_ids"]
    assert len(ids) == 4
    shown = segments(example_of([*ids, *ids], [False] * 6 + [True] * 2), TOKENIZER)
    assert [(segment.text, segment.supervised) for segment in shown] == [("😀", False), ("😀", True)]
