"""Which of several processes this one is, as torchrun and accelerate tell it."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from spice_select.errors import InputError


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessPlace:
    """A process among those that share a run.

    Attributes:
        rank: its number, from 0; process 0 owns the run folder, selects and writes the outputs.
        world: how many there are.
    """

    rank: int = 0
    world: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.rank < self.world:
            raise InputError(f"process {self.rank} of {self.world}: numbers run from 0 to {self.world - 1}")

    @classmethod
    def of_environment(cls, environment: Mapping[str, str] | None = None) -> Self:
        """From RANK and WORLD_SIZE; alone without them.

        Raises:
            InputError: they are not numbers, or do not go together.
        """
        known = os.environ if environment is None else environment
        rank, world = known.get("RANK", "0"), known.get("WORLD_SIZE", "1")
        try:
            return cls(rank=int(rank), world=int(world))
        except ValueError as error:
            raise InputError(
                f"RANK={rank} and WORLD_SIZE={world} in the environment: not the place of a process among several; "
                "start with torchrun or accelerate, or unset both"
            ) from error


def refuse_several(what: str) -> None:
    """Refuse to begin, as one of several processes, what a single one does: each would wait for the others.

    Raises:
        InputError: RANK and WORLD_SIZE tell of others.
    """
    world = ProcessPlace.of_environment().world
    if world > 1:
        raise InputError(
            f"WORLD_SIZE={world} in the environment: {what} is the work of one process. Start it without torchrun or "
            "accelerate, or unset RANK and WORLD_SIZE."
        )
