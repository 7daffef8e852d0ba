"""From settings to the one who picks."""

from spice_select.config import SelectSettings
from spice_select.errors import InputError
from spice_select.methods.choice import criterion
from spice_select.schedules.interleaved.carrying import CarryingPicker
from spice_select.schedules.interleaved.picker import GreedyPicker, Picker, RandomPicker, TopNormPicker
from spice_select.selection import LogDet


def make_picker(settings: SelectSettings) -> Picker:
    """The picker that the settings describe.

    Raises:
        InputError: a control that is asked to carry a state it does not look at.
    """
    rule, moving = criterion(settings.selection), settings.interleaved
    if moving.picker != "spice":
        if moving.carry_state:
            raise InputError(
                f"--carry-state with --picker {moving.picker}: this control looks at no state. Leave one of them out."
            )
        if moving.picker == "random":
            return RandomPicker(seed=settings.selection.seed, objective=rule.objective)
        return TopNormPicker(objective=rule.objective)
    if moving.carry_state:
        if not isinstance(rule.objective, LogDet):
            raise InputError(
                f"--carry-state with --objective {settings.selection.objective}: only log det can be carried from "
                "pool to pool exactly. Leave one of them out."
            )
        weight = settings.selection.conflict_weight
        return CarryingPicker(objective=rule.objective, weight=weight, stop=rule.stop)
    return GreedyPicker(objective=rule.objective, penalty=rule.penalty, stop=rule.stop)
