"""Text of unknown origin made safe for a terminal or a page: it may hold escape sequences, and halves of characters."""

_BREAKS = "\n\t"
_PICTURES = {
    **{code: 0x2400 + code for code in range(0x20) if chr(code) not in _BREAKS},
    0x7F: 0x2421,
    **dict.fromkeys(range(0x80, 0xA0), 0xFFFD),  # 0x9b alone starts an escape sequence on some terminals
    **dict.fromkeys((*range(0x202A, 0x202F), *range(0x2066, 0x206A)), 0xFFFD),  # these turn the line's direction
    **dict.fromkeys(range(0xD800, 0xE000), 0xFFFD),
}


def printable(text: str) -> str:
    """`text` with control characters as their pictures (␛); line breaks and tabs stay."""
    return text.translate(_PICTURES)
