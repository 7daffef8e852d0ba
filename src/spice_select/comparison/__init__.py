"""Rivals under one budget, judged: who is better than random, by how much, and what cannot be told.

Nothing here chooses, tunes or loads torch. What comes in are records, one for each tuning, as JSON:

    {
      "bed": "core",              the pool (data set) that the arms chose from
      "budget": 0.1,              optional: the share of the pool's supervised tokens; null or left out for a run that
                                  stands beside every budget of its bed (the untuned model)
      "arm": "random",            who chose; "random" is the control, "untuned" the model as it came (seed 0), "full"
                                  all data at the steps of the budget, "clean-random" and "oracle" what a perfect
                                  choice could draw from, "random-small" random at a tenth of the budget
      "seed": 0,                  of the draw and of the tuning: arms are paired by it, so one seed is the same initial
                                  state and order of batches in every arm
      "selection": {
        "rows": [3, 1, 2],        ids of the chosen rows
        "supervised": 412,        their supervised tokens, which must be equal between arms to 5 %
        "tokens": 900,            all their tokens
        "bad": null,              spoilt rows among them, where that is known
        "seconds": 3.1            that the choice took
      },                          null for the untuned model
      "steps": 26,                optimiser steps of the tuning
      "flops": 1.2e15,            optional: of the choice and of the tuning together
      "held": [                   what the tuned model was judged on; one set alone may stand without the brackets
        {
          "name": "pool",         "pool" (rows like the pool's), "outside" (rows from outside it), "target", a task …
          "rows": ["a1", "a2"],   ids of the held-out rows, the same in the same order for all runs of a bed
          "sources": ["x", "y"],  of each
          "sums": [12.5, 3.0],    loss of each, in nats, summed over its supervised tokens
          "tokens": [9, 2],       how many these are
          "task": false           optional: true where the rows are a benchmark's items and their gold answers
        }
      ],
      "training_seconds": 30.5
    }

Other keys are the runner's own and are not read. `records.read_arm_runs` reads a folder of such files,
`records.arm_run_of` one object.

`judge(records, Terms(...))` judges them: a `Ruling` with its paragraph, its tables and its JSON. `Terms` is what
must be fixed before the first result is seen.
"""

from spice_select.comparison.records import read_arm_runs as read_arm_runs
from spice_select.comparison.ruling import Ruling as Ruling
from spice_select.comparison.ruling import judge as judge
from spice_select.comparison.terms import Terms as Terms
