"""Many samples by the numbers of their rows, or some of them in an order: views, which hold none."""

from collections.abc import Iterator, Mapping, Sequence
from typing import overload

import numpy as np
from numpy.typing import NDArray

from spice_select.data.records import Sample


class SamplesByRow(Mapping[int, Sample]):
    """Samples by the number of their row.

    Args:
        samples: in ascending order of their rows.
    """

    def __init__(self, samples: Sequence[Sample]) -> None:
        self.samples = samples
        self._rows = np.fromiter((sample.row for sample in samples), np.int64, len(samples))

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[int]:
        return map(int, self._rows)

    def __getitem__(self, row: int) -> Sample:
        place = int(np.searchsorted(self._rows, row))
        if place == len(self._rows) or self._rows[place] != row:
            raise KeyError(row)
        return self.samples[place]


def in_order(samples: Mapping[int, Sample]) -> Sequence[Sample]:
    """The samples in the order of the mapping."""
    return samples.samples if isinstance(samples, SamplesByRow) else list(samples.values())


class PickedSamples(Sequence[Sample]):
    """The samples of some rows, in the order of these."""

    def __init__(self, samples: Mapping[int, Sample], rows: NDArray[np.int64]) -> None:
        self._samples, self._rows = samples, rows

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, place: int) -> Sample: ...
    @overload
    def __getitem__(self, place: slice) -> list[Sample]: ...
    def __getitem__(self, place: int | slice) -> Sample | list[Sample]:
        if isinstance(place, slice):
            return [self._samples[int(row)] for row in self._rows[place]]
        return self._samples[int(self._rows[place])]
