"""What is asked of a proxy, in settings alone: this loads no torch."""

from dataclasses import dataclass

from spice_select.gradients.settings import GradientSettings
from spice_select.models.settings import ProxySettings


@dataclass(frozen=True, kw_only=True)
class ProxyRequest:
    """What is asked of a proxy.

    Attributes:
        access: which model, where and how it is opened.
        gradients: which gradients are taken.
        seed: of LoRA and sketch.
    """

    access: ProxySettings
    gradients: GradientSettings
    seed: int = 0
