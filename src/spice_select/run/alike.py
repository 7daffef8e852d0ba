"""Rows that two sets have in common, by what they say: exactly or nearly."""

from collections.abc import Mapping, Sequence

from spice_select.data.duplicates import near_matches
from spice_select.data.formats import Format, PreferencePairs
from spice_select.data.records import Conversation, Drop, Pair, Row
from spice_select.data.texts import whole_text
from spice_select.diagnosis.suspects.near import ALIKE
from spice_select.progress import Advance


def texts_of(rows: Sequence[Row], row_format: Format | PreferencePairs) -> dict[int, str]:
    """What every readable row says, all turns but the system's together, by the row's number; of a pair the prompt."""
    read = [row_format.read(row) for row in rows]
    return {
        one.row.number: whole_text(Conversation(one.row, one.prompt, one.source) if isinstance(one, Pair) else one)
        for one in read
        if not isinstance(one, Drop)
    }


def rows_in_both(
    few: Mapping[int, str], many: Mapping[int, str], advance: Advance | None = None
) -> list[tuple[int, int, float]]:
    """Every two rows that say the same or nearly, of two sets of texts by row number.

    Args:
        few, many: the sets; memory goes by the first, some 0.2 ms by each row of the second.
        advance: told of each row of `many`.

    Returns:
        The number of the one in `few`, of the one in `many`, and how alike they are: a Jaccard similarity of shingles
        of `ALIKE` or more.
    """
    left, right = [*few], [*many]
    pairs = near_matches([*few.values()], [*many.values()], ALIKE, advance)
    return [(left[one], right[other], similarity) for one, other, similarity in pairs]
