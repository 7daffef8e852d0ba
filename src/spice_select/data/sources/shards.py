"""Files numbered by how many there are (`train-00000-of-00003.parquet`), and those of them that are missing."""

import re
from collections.abc import Iterable, Iterator
from pathlib import PurePath

from spice_select.data.sources.doubles import unpacked_name
from spice_select.data.sources.splits import some

_NUMBERED = re.compile(
    r"(?P<begin>.*[-_.])(?P<number>\d+)(?P<of>[-_.]of[-_.])(?P<total>\d+)(-[0-9a-f]+)?(?P<end>\..*)?"
)

_MOST = 1_000_000
"""Parts that a corpus may have: a larger number is a date, or anything else."""


def missing_shards(files: Iterable[PurePath]) -> Iterator[str]:
    """A note where numbers are missing among such files. It is no error: the first of many is fetched on purpose, too.

    Numbers begin at 0, or at 1 where the last one is there and none is 0.
    """
    there: dict[tuple[PurePath, str, str, str, str], dict[int, int]] = {}
    for file in files:
        found = _NUMBERED.fullmatch(unpacked_name(file).name)  # some parts may be packed, and others not
        if found and int(found["total"]) <= _MOST:
            series = file.parent, found["begin"], found["of"], found["total"], found["end"] or ""
            there.setdefault(series, {})[int(found["number"])] = len(found["number"])
    missing = []
    for (folder, begin, of, total, end), numbers in there.items():
        from_one = int(int(total) in numbers and 0 not in numbers)
        width = max(numbers.values())
        lost = [number for number in range(from_one, int(total) + from_one) if number not in numbers]
        missing += [(folder / f"{begin}{number:0{width}}{of}{total}{end}").as_posix() for number in lost]
    if missing:
        yield f"Missing among numbered files, the others of which are read: {some(missing, 'file')}."
