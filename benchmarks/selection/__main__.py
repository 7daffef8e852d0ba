"""Time spice_select.greedy and its peers: `python -m benchmarks.selection --help`."""

import argparse
import json
import os
import platform
from datetime import date
from pathlib import Path

import numpy as np
from benchmarks.selection.cases import Case, suite
from benchmarks.selection.environments import cache_folder
from benchmarks.selection.measure import gemm_rate, measure

HERE = Path(__file__).parent


def main() -> None:
    arguments = _arguments()
    results = HERE / "results.json" if arguments.out is None else arguments.out
    records = json.loads(results.read_text())["records"] if results.exists() else []
    cases = [] if arguments.report else [pair for name in arguments.suites for pair in suite(name)]
    for case, peers in cases:
        if arguments.kinds and case.kind not in arguments.kinds:
            continue
        rate = gemm_rate(case.d, arguments.threads)
        for name in [p for p in peers if not arguments.peers or p in arguments.peers]:
            repeats = arguments.repeats if name.startswith(("ours", "eager")) else 1
            record = measure(case, name, timeout=arguments.timeout, threads=arguments.threads, repeats=repeats)
            record |= {"gemm_gflops": rate / 1e9, "load": os.getloadavg()[0], "date": date.today().isoformat()}
            _compare(record, case)
            records = [r for r in records if _key(r) != _key(record)] + [record]
            _write(results, records)
            print(_line(case, record), flush=True)
    from benchmarks.selection.report import write_report

    write_report(results)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.selection", description=__doc__)
    parser.add_argument(
        "suites",
        nargs="*",
        default=["standard"],
        help="quick, standard (the default), paths, cuda, variance, large, huge, growth",
    )
    parser.add_argument("--quick", action="store_true", help="the small sizes only: every peer within a minute")
    parser.add_argument("--peers", nargs="+", help="only these")
    parser.add_argument("--kinds", nargs="+", help="only these of iso, aniso, heavy")
    parser.add_argument("--timeout", type=float, default=150, help="seconds a peer may take, its start included")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3, help="of ours and the eager loops; the best counts")
    parser.add_argument("--out", type=Path, help="results file to add to (default: results.json beside this)")
    parser.add_argument("--report", action="store_true", help="measure nothing: table and figure from the results")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.suites = ["quick"]
    return arguments


def _compare(record: dict[str, object], case: Case) -> None:
    """Keep eager float64's order as the reference for a case, and count the places where the others follow it."""
    picks = record.pop("picks", None)
    if picks is None:
        return
    reference = cache_folder() / "orders" / f"{case.kind}-{case.n}x{case.d}-{case.k}.json"
    if record["peer"] == "eager64":
        reference.parent.mkdir(parents=True, exist_ok=True)
        reference.write_text(json.dumps(picks))
    if reference.exists() and not case.weight:
        order = json.loads(reference.read_text())
        record["same_place_as_eager64"] = int(sum(a == b for a, b in zip(picks, order, strict=False)))
        record["same_set_as_eager64"] = len(set(picks) & set(order))


def _key(record: dict[str, object]) -> tuple[object, ...]:
    return tuple(record[name] for name in ("kind", "n", "d", "k", "weight", "peer", "threads"))


def _write(path: Path, records: list[dict[str, object]]) -> None:
    machine = {"processor": _processor(), "python": platform.python_version(), "numpy": np.__version__}
    part = path.with_suffix(".part")
    part.write_text(json.dumps({"machine": machine, "records": records}, indent=1, ensure_ascii=False) + "\n")
    part.rename(path)


def _processor() -> str:
    """The processor's name and the instruction sets that matter here, from /proc/cpuinfo where there is one."""
    info = Path("/proc/cpuinfo")
    if not info.exists():
        return platform.processor()
    lines = dict(line.split(":", 1) for line in info.read_text().splitlines() if ":" in line)
    fields = {key.strip(): value.strip() for key, value in lines.items()}
    sets = [s for s in ("avx2", "avx512f", "avx512_bf16") if s in fields.get("flags", "").split()]
    return f"{fields.get('model name', platform.machine())}, {os.cpu_count()} cores, {' '.join(sets)}"


def _line(case: Case, record: dict[str, object]) -> str:
    if "timeout" in record:
        outcome = f"> {record['timeout']:g} s"
    elif "error" in record:
        outcome = f"failed: {record['error']}"
    else:
        same = record.get("same_place_as_eager64", "-")
        outcome = f"{record['seconds']:.3f} s  CPU {record['cpu_seconds']:.3f} s  {record['extra_mb']:.0f} MB  "
        outcome += f"F={record['information']:.6f}  same {same}"
    return f"{case.name:32} {record['peer']:10} {outcome}"


if __name__ == "__main__":
    main()
