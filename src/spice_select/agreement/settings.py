"""Every setting of a comparison of two models, declared once: for `spice_select.transfer(...)` and `spice transfer`."""

from pydantic import Field

from spice_select.errors import InputError
from spice_select.methods.amount import Amount
from spice_select.methods.budget import Budget
from spice_select.settings.access import ModelAccess
from spice_select.settings.base import Group

LEAST_ROWS = 4
"""Fewer rows than this have no structure to compare."""


class _Sample(Group):
    sample: int = Field(200, ge=LEAST_ROWS, description="Rows to compare on, of those that the run could choose from.")
    share: Amount | None = Field(
        None, description="How much of the sample each chooses, e.g. `10%`. Default: the share that the run chose."
    )
    seed: int = Field(0, ge=0, description="Seed that the sample is drawn by.")
    ceiling: bool = Field(
        False,
        description="Also compare the run's model with itself under another seed (one more pass of gradients): how far "
        "a selection agrees with itself.",
    )


class TransferSettings(ModelAccess, _Sample):
    """What is compared, and how the other model is opened."""

    def clashes(self) -> list[str]:
        """A share that the sample cannot supply."""
        if self.share is None:
            return []
        try:
            Budget.parse(self.share).rows(self.sample)
        except InputError as error:
            return [f"--share {self.share} of --sample {self.sample}: {error}"]
        return []
