"""The law of settings: whatever a verb is asked for is usable, or is refused in a sentence that names the setting."""

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any, Literal, get_args, get_origin

import annotated_types
import pytest
from pydantic.fields import FieldInfo

from spice_select.agreement.settings import TransferSettings
from spice_select.errors import InputError
from spice_select.evaluation.settings import EvaluateSettings
from spice_select.outlook.settings import HeadroomSettings
from spice_select.run.settings import SelectSettings
from spice_select.settings.access import ModelAccess, Opening
from spice_select.settings.base import Group, Settings
from spice_select.training.settings import TrainSettings

Asked = type[Group] | type[Settings]
VERBS: dict[str, Asked] = {
    "select": SelectSettings,
    "headroom": HeadroomSettings,
    "train": TrainSettings,
    "evaluate": EvaluateSettings,
    "transfer": TransferSettings,
}
INF, NAN = float("inf"), float("nan")
BESIDE: dict[tuple[str, str], dict[str, Any]] = {
    ("select", "hold_out_target"): {"target": ["target.jsonl"]},
    ("select", "precondition"): {"warmup_rows": 5},
    ("select", "sketch_side"): {"sketch": "kronecker"},
    ("select", "warm_checkpoints"): {"warm": True},
    **{("select", name): {"engine": "ray"} for name in ("address", "gather", "local", "wait_for_workers", "workers")},
    ("select", "pair_tail"): {"pair_gradient": "tail"},
    ("headroom", "pair_tail"): {"pair_gradient": "tail"},
    ("headroom", "precondition"): {"warmup_rows": 5},
    ("headroom", "sketch_side"): {"sketch": "kronecker"},
    ("headroom", "warm_checkpoints"): {"warm": True},
    ("train", "match"): {"on": "full"},
}
"""What a setting needs beside it to be usable."""


def groups(asked: Asked) -> list[type[Group]]:
    if issubclass(asked, Group):
        return [asked]
    return [type(field.default) for field in asked.model_fields.values()]


def fields(asked: Asked) -> dict[str, FieldInfo]:
    return {name: field for group in groups(asked) for name, field in group.model_fields.items()}


def parts(annotation: Any) -> Iterator[Any]:
    """A type and, where it is a union, those in it; of an annotated or generic type the plain one too."""
    yield annotation
    if get_origin(annotation) is not Literal:
        for inner in get_args(annotation):
            yield from parts(inner)
        yield from getattr(annotation, "__metadata__", ())


def is_number(field: FieldInfo) -> bool:
    return not {int, float}.isdisjoint(parts(field.annotation))


def bounds(field: FieldInfo) -> list[Any]:
    """Those of a setting, also where a number is one of several things that it may be."""
    inner = [part.metadata for part in parts(field.annotation) if isinstance(part, FieldInfo)]
    return [*field.metadata, *(bound for found in inner for bound in found)]


def choices(field: FieldInfo) -> tuple[str, ...]:
    return next((get_args(part) for part in parts(field.annotation) if get_origin(part) is Literal), ())


def beyond(field: FieldInfo) -> Iterator[float]:
    """The nearest whole numbers out of range."""
    for bound in bounds(field):
        match bound:
            case annotated_types.Ge(ge=least):
                yield least - 1
            case annotated_types.Gt(gt=least):
                yield least
            case annotated_types.Le(le=most):
                yield most + 1
            case annotated_types.Lt(lt=most):
                yield most


def unusable(field: FieldInfo) -> Iterator[Any]:
    if is_number(field):
        yield from (INF, -INF, NAN, "many", *beyond(field))
    if choices(field):
        yield "no such choice"
    if field.annotation is bool:
        yield "perhaps"


def another(field: FieldInfo) -> Any:
    """A value that is not the default, as JSON has it."""
    if field.annotation is bool:
        return not field.default
    if choices(field):
        return next(choice for choice in choices(field) if choice != field.default)
    if field.default is None and tuple in map(get_origin, parts(field.annotation)):
        return ["cut"]
    if not is_number(field):
        return ["q_proj"] if field.default == () else "7"
    upper = [bound.lt for bound in bounds(field) if isinstance(bound, annotated_types.Lt)]
    upper += [bound.le for bound in bounds(field) if isinstance(bound, annotated_types.Le)]
    lower = [bound.ge + 1 for bound in bounds(field) if isinstance(bound, annotated_types.Ge)]
    return 0.25 if 1 in upper else min([max([7, *lower]), *upper])


EVERY = [pytest.param(verb, name, id=f"{verb}-{name}") for verb, asked in VERBS.items() for name in fields(asked)]
UNUSABLE = [
    pytest.param(verb, name, value, id=f"{verb}-{name}-{value}")
    for verb, asked in VERBS.items()
    for name, field in fields(asked).items()
    for value in unusable(field)
]


@pytest.mark.parametrize(("verb", "name", "value"), UNUSABLE)
def test_a_value_that_cannot_be_used_is_refused_by_the_name_of_its_setting(verb: str, name: str, value: Any) -> None:
    with pytest.raises(InputError) as caught:
        VERBS[verb].from_flat({name: value})
    message = str(caught.value)
    assert message.startswith(f"settings cannot be used:\n  - {name} = {value!r}: ")
    assert not [word for word in ("pydantic", *(group.__name__ for group in groups(VERBS[verb]))) if word in message]


@pytest.mark.parametrize("value", ["", "none", "0", "-1", "101%", 0, 0.0, -0.1, 1.5, INF, NAN, True, None, [1]])
@pytest.mark.parametrize(("verb", "name"), [("select", "budget"), ("transfer", "share")])
def test_an_amount_that_is_none_is_refused_by_the_name_of_its_setting(verb: str, name: str, value: Any) -> None:
    if (name, value) == ("share", None):
        assert TransferSettings.from_flat({name: value}).share is None
        return
    with pytest.raises(InputError, match=rf"settings cannot be used:\n  - {name}( = .*)?: "):
        VERBS[verb].from_flat({name: value})


@pytest.mark.parametrize(("value", "text"), [(1e-5, "0.00001"), (0.1, "0.1"), (1.0, "1.0"), (1, "1"), ("2%", "2%")])
def test_a_share_is_kept_as_it_would_be_written(value: Any, text: str) -> None:
    assert SelectSettings.from_flat({"budget": value}).selection.budget == text


@pytest.mark.parametrize(("verb", "name"), EVERY)
def test_a_misspelt_name_is_refused_with_the_nearest(verb: str, name: str) -> None:
    with pytest.raises(InputError, match=f"unknown setting '{name}s'. Did you mean '{name}'"):
        VERBS[verb].from_flat({f"{name}s": 1})


@pytest.mark.parametrize("verb", VERBS)
def test_every_fault_is_told_at_once(verb: str) -> None:
    asked = VERBS[verb]
    wrong = {name: value for name, field in fields(asked).items() for value in list(unusable(field))[:1]}
    assert len(wrong) > 5
    with pytest.raises(InputError) as caught:
        asked.from_flat({**wrong, "no_such": 1, "self": 1})
    message = str(caught.value)
    assert [name for name in wrong if f"\n  - {name} = " not in message] == []
    assert message.count("\n  - ") == len(wrong) + 2


@pytest.mark.parametrize("verb", VERBS)
def test_every_number_has_a_least_value(verb: str) -> None:
    numbers = {name: field for name, field in fields(VERBS[verb]).items() if is_number(field)}
    assert len(numbers) > 1
    lower = (annotated_types.Ge, annotated_types.Gt)
    assert [name for name, field in numbers.items() if not any(isinstance(b, lower) for b in bounds(field))] == []


@pytest.mark.parametrize("verb", VERBS)
def test_defaults_go_through_json_and_come_back(verb: str) -> None:
    asked = VERBS[verb]
    assert asked.from_flat(json.loads(json.dumps(asked().flat()))) == asked()
    assert asked().changed() == {}


@pytest.mark.parametrize(("verb", "name"), EVERY)
def test_a_changed_setting_goes_through_json_and_comes_back(verb: str, name: str) -> None:
    asked, value = VERBS[verb], another(fields(VERBS[verb])[name])
    settings = asked.from_flat({name: value, **BESIDE.get((verb, name), {})})
    flat = settings.flat()
    assert flat[name] == value
    assert flat != asked().flat()
    assert asked.from_flat(json.loads(json.dumps(flat))) == settings
    assert set(settings.changed()) == {name, *BESIDE.get((verb, name), {})}


@pytest.mark.parametrize("verb", VERBS)
def test_a_name_stands_for_one_setting_and_every_setting_says_what_it_does(verb: str) -> None:
    names = [name for group in groups(VERBS[verb]) for name in group.model_fields]
    assert len(names) == len(set(names))
    short = [name for name, field in fields(VERBS[verb]).items() if len(field.description or "") < 20]
    assert short == []


@pytest.mark.parametrize("verb", VERBS)
def test_a_model_is_opened_by_the_same_settings_everywhere(verb: str) -> None:
    there = fields(VERBS[verb])
    shared = Opening if verb == "evaluate" else ModelAccess
    assert any(issubclass(group, shared) for group in groups(VERBS[verb]))
    for name, field in shared.model_fields.items():
        assert there[name].default == field.default
        assert there[name].is_required() is field.is_required() is False


def test_what_opening_may_do_is_handed_on_under_the_names_of_the_readers() -> None:
    assert Opening(allow_network=True).keywords() == {"allow_network": True, "trust_remote_code": False}
    access = ModelAccess(model_revision="v2", trust_remote_code=True)
    assert access.keywords() == {"allow_network": False, "trust_remote_code": True, "revision": "v2"}
    assert TrainSettings(model="x", model_revision="v2", trust_remote_code=True).alone() == access.flat()


class Small(Group):
    """A group, as another package would declare one."""

    size: float = 1.0


class Roof(Settings):
    """One group under a roof."""

    small: Small = Small()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Small(size=INF), "size = inf: input should be a finite number"),
        (lambda: Small(sise=1), "unknown setting 'sise'. Did you mean 'size'?"),
        (lambda: Roof(smal=Small()), "unknown group 'smal'. Did you mean 'small'?"),
        (lambda: Roof(size=2), "unknown group 'size'. It is a setting of the group 'small'."),
        (lambda: Roof.from_nested({"size": 2}), "unknown group 'size'. It is a setting of the group 'small'."),
        (lambda: Roof(small={"size": NAN}), "size = nan: input should be a finite number"),
        (lambda: Roof(small=3), "small = 3: input should be a valid dictionary or instance of Small"),
    ],
)
def test_a_class_called_directly_refuses_in_the_same_words(make: Any, message: str) -> None:
    with pytest.raises(InputError) as caught:
        make()
    assert str(caught.value) == f"settings cannot be used:\n  - {message}"


@pytest.mark.parametrize(
    ("command", "name", "value"),
    [
        (("select", "x.jsonl"), "alpha", INF),
        (("select", "x.jsonl"), "learning_rate", INF),
        (("train", "runs/x"), "learning_rate", INF),
        (("train", "runs/x"), "weight_decay", NAN),
        (("evaluate", "m"), "limit", 0),
        (("transfer", "runs/x", "--model", "m"), "sample", 3),
        (("transfer", "runs/x", "--model", "m"), "share", "nothing"),
    ],
)
def test_the_command_line_refuses_in_the_words_of_python(spice: Any, command: Any, name: str, value: Any) -> None:
    with pytest.raises(InputError) as caught:
        VERBS[command[0]].from_flat({name: value})
    code, out, err = spice(*command, f"--{name.replace('_', '-')}", value)
    assert (code, out) == (2, "")
    assert err == f"error: {caught.value}\n"


def test_no_heavy_library_is_loaded_for_any_of_them() -> None:
    homes = sorted({asked.__module__ for asked in VERBS.values()})
    program = (
        f"import sys, {', '.join(homes)}\nprint([n for n in ('torch', 'transformers', 'peft') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
