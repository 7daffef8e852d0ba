"""Small tokenizers built in code: no download, no file, a few milliseconds.

They are real BPE tokenizers trained on a few sentences, byte-level (as those of SmolLM2, Qwen and Llama 3) or with
spaces written as "▁" (as those of Llama 2, Mistral and Gemma), so that merges, half characters and special
tokens behave as in large ones.
"""

from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

CHATML = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' "
    "+ '\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
"""The ChatML template without a default system turn."""

CHATML_WITH_TOOLS = (
    "{% if tools %}{{ '<|im_start|>tools\n' }}{{ tools | tojson }}{{ '<|im_end|>\n' }}{% endif %}"
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' }}"
    "{% if message['reasoning_content'] %}{{ '<think>' + message['reasoning_content'] + '</think>' }}{% endif %}"
    "{{ message['content'] }}{% for call in message['tool_calls'] or [] %}"
    "{{ '{' + call['function']['name'] }}{{ call['function']['arguments'] | tojson }}{{ '}' }}{% endfor %}"
    "{{ '<|im_end|>\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
"""ChatML that shows reasoning, tool calls and tools."""

SPECIAL_TOKENS = ("<pad>", "<s>", "</s>", "<|im_start|>", "<|im_end|>")

_SENTENCES = (
    "The assistant answers the question of the user, and the user asks another one.",
    "What is the sum of 12 and 30? The sum is 42, because 12 + 30 = 42.",
    "def add(a, b):\n    return a + b\n\nprint(add(1, 2))",
    "Write a short story about a river, a bridge and an old dog that waits there.",
    "Translate 'good morning' into French: bonjour. Übersetzung: guten Morgen. 早上好。",
)


def tiny_tokenizer(
    template: str | None = CHATML,
    *,
    bos: str = "<s>",
    eos: str = "<|im_end|>",
    pad: str = "<pad>",
    add_bos: bool = False,
    special: tuple[str, ...] = (),
    vocab_size: int = 384,
    metaspace: bool = False,
) -> "PreTrainedTokenizerFast":
    """A small BPE tokenizer with a chat template, byte-level unless `metaspace` is asked for.

    Args:
        template: its chat template (Jinja), or None for a tokenizer without one.
        bos: the begin-of-sequence token.
        eos: the end-of-sequence token.
        pad: the padding token.
        add_bos: put `bos` in front of every text unless the caller asks for no special tokens, as Llama's do; with
            a template that writes it too, that is how a double BOS comes about.
        special: special tokens beside `SPECIAL_TOKENS`.
        vocab_size: number of tokens of a byte-level tokenizer, at least 256 + the special ones.
        metaspace: spaces as "▁" instead of bytes; characters outside the sentences become ``<unk>``.

    Returns:
        The tokenizer. The same arguments give the same one.
    """
    from tokenizers import Tokenizer, processors
    from transformers import PreTrainedTokenizerFast

    names = tuple(dict.fromkeys((*SPECIAL_TOKENS, bos, eos, pad, *special)))
    backend: Any = Tokenizer.from_str(_metaspace(names) if metaspace else _byte_level(names, vocab_size))
    if add_bos:
        backend.post_processor = processors.TemplateProcessing(
            single=f"{bos} $A", special_tokens=[(bos, backend.token_to_id(bos))]
        )
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, bos_token=bos, eos_token=eos, pad_token=pad)
    tokenizer.chat_template = template
    return tokenizer


@lru_cache(maxsize=32)
def _byte_level(special: tuple[str, ...], vocab_size: int) -> str:
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=[AddedToken(name, special=True, normalized=False) for name in special],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_SENTENCES, trainer)
    return tokenizer.to_str()


@lru_cache(maxsize=32)
def _metaspace(special: tuple[str, ...]) -> str:
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first")
    tokenizer.decoder = decoders.Metaspace(prepend_scheme="first")
    trainer = trainers.BpeTrainer(
        vocab_size=300,
        special_tokens=["<unk>", *(AddedToken(name, special=True, normalized=False) for name in special)],
        show_progress=False,
    )
    tokenizer.train_from_iterator(_SENTENCES, trainer)
    return tokenizer.to_str()
