"""Text that would harm a page or a terminal if it were taken for anything but text."""

SCRIPT = "<script>window.harmed = 1</script><img src=x onerror='window.harmed=1'>"
ENDS = '</script></style></title></textarea>--><script>window.harmed = 1</script>"><svg onload=window.harmed=1>'
STEERING = "\x1b[31mred\x1b]0;title\x07 \u202eevil\u202c \u2066isolate\u2069 \x9b2J"
PIECES = "\ud83d half \x00 nul 👩‍👩‍👧 é مرحبا {{ 7 * 7 }} {% raw %} ${x} \u2028 line"
ALL = (SCRIPT, ENDS, STEERING, PIECES)


def rows(count: int = 40) -> list[dict]:
    """Rows whose words, sources and fields are hostile, each another way; one of a megabyte."""
    made = []
    for number in range(count):
        text = f"{ALL[number % len(ALL)]} What is {number} + {number}?"
        answer = "long " * 200_000 if number == 3 else f"{2 * number} {ALL[(number + 1) % len(ALL)]}"
        turns = [{"role": "user", "content": text}, {"role": "assistant", "content": answer}]
        made.append({"source": f"{ENDS} {number % 3}", "messages": turns, "javascript:alert(1)": SCRIPT})
    return made
