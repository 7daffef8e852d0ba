"""Chat templates of the kinds that are about, written for these tests: each with the trap it stands for."""

from dataclasses import dataclass

from spice_select.testing.tokenizers import CHATML


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A template with what an independent reader of it knows: how answers open and close."""

    name: str
    text: str
    eos: str = "<|im_end|>"
    end_of_turn: str = "<|im_end|>"
    special: tuple[str, ...] = ()
    strips: bool = False
    system: bool = True
    starts_with_bos: bool = False
    lead: str = ""  # what stands between the prompt and the answer's text, and belongs to the answer
    gap: str = ""  # what stands between the answer's text and the end of turn, and belongs to the answer


CHATML_KIND = Kind(name="chatml", text=CHATML)

# a default system turn, as SmolLM2 has it
DEFAULT_SYSTEM = Kind(
    name="default-system",
    text="{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}"
    "{{ '<|im_start|>system\nYou are helpful.<|im_end|>\n' }}{% endif %}"
    "{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}",
)

# no generation prompt, the system turn inside the first user turn, texts stripped, a space before the end
LLAMA2 = Kind(
    name="llama-2",
    text="{% if messages[0]['role'] == 'system' %}{% set loop_messages = messages[1:] %}"
    "{% set system_message = messages[0]['content'] %}{% else %}{% set loop_messages = messages %}"
    "{% set system_message = false %}{% endif %}"
    "{% for message in loop_messages %}"
    "{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Conversation roles must alternate user/assistant') }}{% endif %}"
    "{% if loop.index0 == 0 and system_message %}"
    "{% set content = '<<SYS>>\\n' + system_message + '\\n<</SYS>>\\n\\n' + message['content'] %}"
    "{% else %}{% set content = message['content'] %}{% endif %}"
    "{% if message['role'] == 'user' %}{{ bos_token + '[INST] ' + content.strip() + ' [/INST]' }}"
    "{% elif message['role'] == 'assistant' %}{{ ' ' + content.strip() + ' ' + eos_token }}{% endif %}{% endfor %}",
    eos="</s>",
    end_of_turn="</s>",
    strips=True,
    starts_with_bos=True,
    lead=" ",
    gap=" ",
)

LLAMA3 = Kind(
    name="llama-3",
    text="{% for message in messages %}"
    "{% set content = '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n' "
    "+ message['content'] | trim + '<|eot_id|>' %}"
    "{% if loop.index0 == 0 %}{% set content = bos_token + content %}{% endif %}{{ content }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}",
    eos="<|eot_id|>",
    end_of_turn="<|eot_id|>",
    special=("<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"),
    strips=True,
    starts_with_bos=True,
)

# refuses system turns, calls the assistant "model", insists on alternation
GEMMA = Kind(
    name="gemma",
    text="{{ bos_token }}{% if messages[0]['role'] == 'system' %}"
    "{{ raise_exception('System role not supported') }}{% endif %}"
    "{% for message in messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}{% endif %}"
    "{% if message['role'] == 'assistant' %}{% set role = 'model' %}{% else %}{% set role = message['role'] %}"
    "{% endif %}{{ '<start_of_turn>' + role + '\n' + message['content'] | trim + '<end_of_turn>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<start_of_turn>model\n' }}{% endif %}",
    eos="<end_of_turn>",
    end_of_turn="<end_of_turn>",
    special=("<start_of_turn>", "<end_of_turn>"),
    strips=True,
    system=False,
    starts_with_bos=True,
)

# shows system turns in front of the last user turn, has no generation prompt, ignores other roles
MISTRAL = Kind(
    name="mistral",
    text="{%- if messages[0]['role'] == 'system' %}{%- set system_message = messages[0]['content'] %}"
    "{%- set loop_messages = messages[1:] %}{%- else %}{%- set loop_messages = messages %}{%- endif %}"
    "{{- bos_token }}{%- for message in loop_messages %}{%- if message['role'] == 'user' %}"
    "{%- if loop.last or (loop.index0 == loop_messages | length - 2) %}"
    "{%- if system_message is defined %}{{- '[INST] ' + system_message + '\\n\\n' + message['content'] + '[/INST]' }}"
    "{%- else %}{{- '[INST] ' + message['content'] + '[/INST]' }}{%- endif %}"
    "{%- else %}{{- '[INST] ' + message['content'] + '[/INST]' }}{%- endif %}"
    "{%- elif message['role'] == 'assistant' %}{{- ' ' + message['content'] + eos_token }}{%- endif %}{%- endfor %}",
    eos="</s>",
    end_of_turn="</s>",
    special=("[INST]", "[/INST]"),
    starts_with_bos=True,
    lead=" ",
)

# takes reasoning out of earlier answers and writes an empty block into the last
QWEN3 = Kind(
    name="qwen3-thinking",
    text="{%- set ns = namespace(last_query_index=messages|length - 1, looking=true) %}"
    "{%- for message in messages[::-1] %}{%- set index = (messages|length - 1) - loop.index0 %}"
    "{%- if ns.looking and message.role == 'user' %}{%- set ns.looking = false %}"
    "{%- set ns.last_query_index = index %}{%- endif %}{%- endfor %}"
    "{%- for message in messages %}{%- set content = message.content %}"
    "{%- if message.role != 'assistant' %}"
    "{{- '<|im_start|>' + message.role + '\n' + content + '<|im_end|>' + '\n' }}"
    "{%- else %}{%- set reasoning_content = '' %}"
    "{%- if message.reasoning_content is string %}{%- set reasoning_content = message.reasoning_content %}"
    "{%- elif '</think>' in content %}"
    "{%- set reasoning_content = content.split('</think>')[0].rstrip('\n').split('<think>')[-1].lstrip('\n') %}"
    "{%- set content = content.split('</think>')[-1].lstrip('\n') %}{%- endif %}"
    "{%- if loop.index0 > ns.last_query_index and (loop.last or reasoning_content) %}"
    "{{- '<|im_start|>' + message.role + '\n<think>\n' + reasoning_content.strip('\n') + '\n</think>\n\n' "
    "+ content.lstrip('\n') }}"
    "{%- else %}{{- '<|im_start|>' + message.role + '\n' + content }}{%- endif %}"
    "{{- '<|im_end|>\n' }}{%- endif %}{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\n' }}{%- endif %}",
)

ZEPHYR = Kind(
    name="zephyr",
    text="{% for message in messages %}{% if message['role'] == 'user' %}{{ '<|user|>\n' + message['content'] "
    "+ eos_token }}{% elif message['role'] == 'system' %}{{ '<|system|>\n' + message['content'] + eos_token }}"
    "{% elif message['role'] == 'assistant' %}{{ '<|assistant|>\n'  + message['content'] + eos_token }}{% endif %}"
    "{{ '\n' }}{% if loop.last and add_generation_prompt %}{{ '<|assistant|>\n' }}{% endif %}{% endfor %}",
    eos="</s>",
    end_of_turn="</s>",
)

# closes the whole text with a second token after the end of turn
PHI3 = Kind(
    name="phi-3",
    text="{% for message in messages %}{{ '<|' + message['role'] + '|>\n' + message['content'] + '<|end|>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% else %}{{ eos_token }}{% endif %}",
    eos="</s>",
    end_of_turn="<|end|>",
    special=("<|end|>", "<|user|>", "<|assistant|>", "<|system|>"),
)

# two special tokens in a row end a turn
TWO_ENDS = Kind(
    name="two-tokens-end-a-turn",
    text=CHATML.replace("'<|im_end|>'", "'<|im_end|></s>'"),
    end_of_turn="<|im_end|></s>",
)

# the header is never shown alone: add_generation_prompt is not looked at
NO_PROMPT = Kind(
    name="header-without-generation-prompt",
    text="{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] "
    "+ '<|im_end|>\n' }}{% endfor %}",
)

# the generation prompt opens a block which the history does not show
R1 = Kind(
    name="prompt-opens-thinking",
    text="{{ bos_token }}{% for message in messages %}{% if message['role'] == 'assistant' %}"
    "{{ '<|assistant|>' + message['content'] + eos_token }}{% else %}"
    "{{ '<|' + message['role'] + '|>' + message['content'] }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|><think>\n' }}{% endif %}",
    eos="</s>",
    end_of_turn="</s>",
    special=("<|user|>", "<|assistant|>", "<|system|>"),
    starts_with_bos=True,
)

# the template's own marks, end of turn inside
MARKED = Kind(
    name="generation-marks",
    text="{% for message in messages %}{% if message['role'] == 'assistant' %}{{ '<|im_start|>assistant\n' }}"
    "{% generation %}{{ message['content'] + '<|im_end|>' }}{% endgeneration %}{{ '\n' }}{% else %}"
    "{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}",
)

# marks that leave the end of turn out
MARKED_SHORT = Kind(
    name="generation-marks-without-end",
    text=MARKED.text.replace(
        "{{ message['content'] + '<|im_end|>' }}{% endgeneration %}{{ '\n' }}",
        "{{ message['content'] }}{% endgeneration %}{{ '<|im_end|>\n' }}",
    ),
)

KINDS = (
    CHATML_KIND,
    DEFAULT_SYSTEM,
    LLAMA2,
    LLAMA3,
    GEMMA,
    MISTRAL,
    QWEN3,
    ZEPHYR,
    PHI3,
    TWO_ENDS,
    NO_PROMPT,
    R1,
    MARKED,
    MARKED_SHORT,
)


def tool_template(*, reasoning: str = "reasoning_content", arguments: str = "call.function.arguments | tojson") -> str:
    """ChatML that shows tools, tool calls and reasoning: the latter from the field that is named."""
    return (
        "{% if tools %}{{ '<|im_start|>system\n' + (tools | tojson) + '<|im_end|>\n' }}{% endif %}"
        "{% for message in messages %}{{ '<|im_start|>' + message.role + '\n' }}"
        f"{{% if message.{reasoning} %}}{{{{ '<think>\n' + message.{reasoning} + '\n</think>\n' }}}}{{% endif %}}"
        "{{ message.content }}{% for call in message.tool_calls or [] %}"
        f"{{{{ '<call>' + call.function.name + ' ' + ({arguments}) + '</call>' }}}}{{% endfor %}}"
        "{{ '<|im_end|>\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
    )


TOOL_TEMPLATES = {
    "reasoning_content": tool_template(),
    "thinking": tool_template(reasoning="thinking"),
    "reasoning": tool_template(reasoning="reasoning"),
    # concatenates the arguments as they are, as DeepSeek's do: an object cannot be shown
    "text-arguments": tool_template(arguments="call.function.arguments"),
}
"""One wire format in four templates that differ in what they read, so that all have to give the same text."""
