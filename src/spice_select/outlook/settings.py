"""Every setting of a look at the headroom, declared once: for `spice_select.headroom(...)` and `spice headroom`."""

from pydantic import Field

from spice_select.data.settings import DataSettings
from spice_select.gradients.settings import GradientSettings
from spice_select.methods.amount import Amount
from spice_select.models.settings import ProxySettings
from spice_select.run.settings import SelectionSettings, SelectSettings, TargetFiles, TargetSettings
from spice_select.settings.base import Group, Settings

LEAST_POOL = 50
"""Fewer rows than this say nothing of a pool: half of them choose, and a tenth of that is a handful."""


class _Draw(Group):
    budget: Amount = Field(
        "10%",
        description="How much you mean to choose: a share (`10%`, `0.1`), rows (`500`), or tokens (`2M-tokens`, "
        "`1M-supervised-tokens`).",
    )
    sample: int = Field(
        1000,
        ge=LEAST_POOL,
        description="Rows that gradients are taken of, drawn in proportion to source and length; all where there are "
        "no more.",
    )
    seed: int = Field(0, ge=0, description="Seed of the sample, its halves, the random draws, the LoRA and the sketch.")


class LookSettings(_Draw, TargetFiles):
    """What is looked at: how much is to be chosen, for what, and how many rows tell."""


class HeadroomSettings(Settings):
    """All settings of a look at the headroom."""

    look: LookSettings = LookSettings()
    proxy: ProxySettings = ProxySettings()
    data: DataSettings = DataSettings()
    gradients: GradientSettings = GradientSettings()

    @property
    def selection(self) -> SelectSettings:
        """As the run that it looks ahead to would have them; half of a target is held out for the verdict."""
        look = self.look
        return SelectSettings(
            selection=SelectionSettings(budget=look.budget, seed=look.seed),
            target=TargetSettings(target=look.target, hold_out_target=bool(look.target)),
            proxy=self.proxy,
            data=self.data,
            gradients=self.gradients,
        )
