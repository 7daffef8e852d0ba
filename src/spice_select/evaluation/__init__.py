"""Models judged: held-out response loss, and benchmarks through lm-eval.

`spice_select.evaluate` is the way in; importing this loads neither torch nor lm-eval.
"""

from spice_select.evaluation.benchmarks import BENCHMARKS as BENCHMARKS
from spice_select.evaluation.benchmarks import Benchmark as Benchmark
from spice_select.evaluation.settings import EvaluateSettings as EvaluateSettings
