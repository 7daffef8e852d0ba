"""Which suspected rows may not be chosen: the settings."""

from pydantic import Field

from spice_select.diagnosis.suspects import PAIR_SUSPECTS, REVIEW_ONLY, SUSPECTS
from spice_select.errors import InputError
from spice_select.settings.base import Group

AUTOMATIC = tuple(name for name in SUSPECTS.names if name not in REVIEW_ONLY)
"""The kinds that `--without-suspects` stands for."""
_FOR_A_RUN = "unlearnable"
"""The kind that takes a finished run."""


class SuspectSettings(Group):
    """Which suspected rows may not be chosen."""

    without_suspects: tuple[str, ...] | None = Field(
        None,
        description="Leave rows of these kinds of suspects out of the choice, each with its reason in dropped.jsonl. "
        f"Kinds: {', '.join(name for name in SUSPECTS.names if name != _FOR_A_RUN)}; none named: "
        f"{', '.join(AUTOMATIC)}. Of preference pairs, where they must be named: {', '.join(PAIR_SUSPECTS.names)}. "
        "`spice suspects --help` says what they are.",
    )

    def clashes(self) -> list[str]:
        """Kinds that there are not, and the one that takes a finished run."""
        faults = []
        for name in self.without_suspects or ():
            try:
                (PAIR_SUSPECTS if name in PAIR_SUSPECTS else SUSPECTS)[name]
            except InputError as error:
                faults.append(f"--without-suspects: {error}")
        if _FOR_A_RUN in (self.without_suspects or ()):
            faults.append(
                f"--without-suspects {_FOR_A_RUN}: it takes two trainings, which a selection does not make. List the "
                "rows with `spice suspects RUN --learnability`, and take them out of the corpus."
            )
        return faults

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds to leave out; none where nothing was asked."""
        return () if self.without_suspects is None else self.without_suspects or AUTOMATIC
