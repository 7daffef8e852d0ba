"""For your own parts: a suite for each port that tries to refute what it promises, and tiny models and tokenizers.

| port | suite |
|---|---|
| row format | `spice_select.testing.format.check_format` |
| gradient engine | `spice_select.testing.engine.check_engine` |
| sketch | `spice_select.testing.sketch.check_sketch` |
| feature | `spice_select.testing.feature.check_feature` |
| executor | `spice_select.testing.executor.check_executor` |
| objective, penalty, selector | `spice_select.testing.selection.check_objective`, `check_penalty`, `check_selector` |
| method | `spice_select.testing.method.check_method` |
| destination of an export | `spice_select.testing.export.check_destination` |

`models` and `tokenizers` build what they need in code: no download, no file.
"""
