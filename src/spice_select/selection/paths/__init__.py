"""How picks are found: `greedy` chooses among these paths, and all of them make the same picks.

| path | for | gains computed |
|---|---|---|
| `run_naive` | any objective, any penalty | all, from the definition: what the others are tested against |
| `run_eager` | any objective, any penalty | all, at every pick, from the objective's state |
| `run_lazy` | submodular objectives, any penalty | those whose stale gain could still win |
| `run_blocked` | log det, with or without the conflict penalty | those whose float32 bound could still win |
| `run_shortlist` | a target's information without a penalty | those whose ceiling could still win |

A path takes a `Problem` and returns a `Selection`; `ledger` keeps its picks and has the one tie rule. They are
imported from their own files, so that whoever wants one loads no other.
"""
