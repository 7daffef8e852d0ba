"""Names that a figure tells apart: what is equal there is drawn as one."""

from collections.abc import Sequence

from spice_select.data.printable import printable
from spice_select.report.page.texts import cut


def distinct_labels(texts: Sequence[str], limit: int, *, empty: str, taken: Sequence[str] = ()) -> list[str]:
    """Texts as labels of a figure, each cut after `limit` characters; no two are equal.

    Args:
        texts: distinct.
        limit: characters of one.
        empty: the label of a text without characters.
        taken: labels that stand for something else. What is equal to one, or to an earlier label, has a number in
            front, where an axis that cuts it shows it.
    """
    used, labels = set(taken), list[str]()
    for text in texts:
        label = free = cut(printable(text), limit) or empty
        number = 1
        while free in used:
            number += 1
            free = f"({number}) {label}"
        used.add(free)
        labels.append(free)
    return labels
