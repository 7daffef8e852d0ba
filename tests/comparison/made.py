"""Records made up with known effects."""

import numpy as np

from spice_select.comparison.records import arm_run_of

ROWS = 60
TOKENS = np.random.default_rng(0).integers(3, 40, ROWS)
DIFFICULTY = 1.5 + 0.5 * np.random.default_rng(1).standard_normal(ROWS)


def raw(arm, seed, loss=0.0, *, bed="noise-40", supervised=4000, bad=None, picks=None, name="clean"):
    """The JSON of a run whose rows lie `loss` above their difficulty, but for noise of the seed and of the pair."""
    rng = np.random.default_rng([1, seed, sum(map(ord, arm + bed))])
    shared = 0.002 * np.random.default_rng(seed).standard_normal()  # what a seed does to every arm
    own = 0.002 * rng.standard_normal() + 0.005 * rng.standard_normal(ROWS)
    losses = DIFFICULTY + loss + (0 if arm == "untuned" else shared + own)
    picks = picks if picks is not None else rng.choice(1000, 100, replace=False).tolist()
    selection = {"rows": picks, "supervised": supervised, "tokens": 9000, "bad": bad, "seconds": 1.0}
    return {
        "bed": bed,
        "arm": arm,
        "seed": seed,
        "selection": None if arm == "untuned" else selection,
        "steps": 26,
        "held": {
            "name": name,
            "rows": list(range(ROWS)),
            "sources": ["a", "b", "c"] * (ROWS // 3),
            "sums": (losses * TOKENS).tolist(),
            "tokens": TOKENS.tolist(),
        },
        "training_seconds": 30.0,
    }


def judged_on(one, **losses):
    """The same run judged on several sets: name → loss; a name in capitals is a task's."""
    sets = []
    for name, loss in losses.items():
        made = raw(one["arm"], one["seed"], loss, bed=one["bed"] + name, name=name.lower())
        sets.append(made["held"] | {"task": name.isupper()})
    return one | {"held": sets}


def runs(*arms, seeds=6, bed="noise-40"):
    """`arms`: name, loss, and what else `raw` takes."""
    made = [raw("untuned", 0, 0.2, bed=bed)]
    for name, loss, *more in arms:
        made += [raw(name, seed, loss, bed=bed, **(more[0] if more else {})) for seed in range(seeds)]
    return [arm_run_of(one) for one in made]


BED = (
    ("random", 0.0, {"bad": 40}),
    ("good", -0.05, {"bad": 5}),
    ("poor", 0.04, {"bad": 60}),
    ("same", 0.0, {"bad": 40, "picks": list(range(100))}),
    ("long", -0.03, {"supervised": 4400}),
    ("clean-random", -0.1, {"bad": 0}),
)
