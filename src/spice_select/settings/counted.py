"""A number and what it counts, in words."""


def counted(count: int, one: str, several: str | None = None) -> str:
    """``1 row``, ``2,000 rows``; with the verb where it follows: ``counted(1, "row was", "rows were")``.

    Args:
        count: how many there are.
        one: what stands after 1.
        several: what stands after any other number; `one` and an s by default.
    """
    return f"{count:,} {one if count == 1 else several or f'{one}s'}"


def leading(count: int, one: str) -> str:
    """``first row``, ``first 3 rows``: those at the head of a list."""
    return f"first {one}" if count == 1 else f"first {counted(count, one)}"
