"""The table and the figure, from the results file alone."""

import json
from pathlib import Path
from typing import Any

from benchmarks.selection.cases import GROWTH
from benchmarks.selection.environments import PEERS

MARKS = ("<!-- table: written by `python -m benchmarks.selection --report` -->", "<!-- end of table -->")
Record = dict[str, Any]
_GROWN = {size for sizes in GROWTH.values() for size in sizes}


def write_report(results: Path) -> None:
    """`table.md` and `growth.svg` beside the results file, and the table inside README.md if it has the marks."""
    stored = json.loads(results.read_text())
    table = table_of(stored["records"], stored["machine"])
    results.with_name("table.md").write_text(table)
    readme = results.with_name("README.md")
    if readme.exists() and MARKS[0] in readme.read_text():
        text = readme.read_text()
        head, tail = text.split(MARKS[0])[0], text.split(MARKS[1])[1]
        readme.write_text(f"{head}{MARKS[0]}\n{table}{MARKS[1]}{tail}")
    if any((r["n"], r["d"], r["k"]) in _GROWN for r in stored["records"]):
        draw_growth(stored["records"], results.with_name("growth.svg"))


def table_of(records: list[Record], machine: dict[str, str]) -> str:
    """One Markdown table a size: seconds, how many times ours, memory beyond the features, place-by-place agreement."""
    groups: dict[tuple[Any, ...], list[Record]] = {}
    for record in records:
        size = (record["n"], record["d"], record["k"])
        if size not in _GROWN:
            groups.setdefault((*size, record["kind"], record["weight"], record["threads"]), []).append(record)
    lines = [f"{machine['processor']}; Python {machine['python']}, numpy {machine['numpy']}.", ""]
    heads = (
        "(n, d, k)",
        "data",
        "threads",
        "selector",
        "wall s",
        "CPU s",
        "× ours",
        "MB",
        "as eager f64",
        "of GEMM limit",
    )
    lines += ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    order = [p.name for p in PEERS]
    for key in sorted(groups, key=lambda g: (g[0], g[5], g[3], g[4])):
        rows = sorted(groups[key], key=lambda r: order.index(r["peer"]))
        ours = next((r for r in rows if r["peer"] == "ours" and "seconds" in r), None)
        lines += [_row(key, row, ours) for row in rows]
    return "\n".join(lines) + "\n"


def _row(key: tuple[Any, ...], record: Record, ours: Record | None) -> str:
    n, d, k, kind, weight, threads = key
    data = f"{kind}, λ={weight:g}" if weight else kind
    cells = [f"({n:,}, {d:,}, {k:,})", data, str(threads), record["title"]]
    if "seconds" not in record:
        limit = f"> {record['timeout']:g}" if "timeout" in record else f"failed: {record['error'][0]}"
        times = f"> {record['timeout'] / ours['seconds']:.0f}" if ours and "timeout" in record else ""
        return "| " + " | ".join([*cells, limit, "", times, "", "", ""]) + " |"
    times = f"{clock(record) / clock(ours):.1f}" if ours else ""
    same = f"{record['same_place_as_eager64']:,} of {k:,}" if "same_place_as_eager64" in record else ""
    share = f"{gemm_share(record):.0%}" if gemm_share(record) else ""
    cells += [
        f"{record['seconds']:.3g}",
        f"{record['cpu_seconds']:.3g}",
        times,
        f"{record['extra_mb']:.0f}",
        same,
        share,
    ]
    return "| " + " | ".join(cells) + " |"


def clock(record: Record) -> float:
    """Processor seconds where one thread ran, which a shared machine does not stretch; wall seconds otherwise."""
    return float(record["cpu_seconds"] if record["threads"] == 1 else record["seconds"])


def gemm_share(record: Record) -> float | None:
    """2ndk flops, or those that ours reports to have needed, over the time and the measured GEMM rate."""
    if record["peer"].startswith("ours"):
        flops = record.get("flops") or 0
    elif record["peer"].startswith("eager"):
        flops = 2.0 * record["n"] * record["d"] * record["k"]
    else:
        return None
    return flops / clock(record) / (record["gemm_gflops"] * 1e9) if flops else None


def draw_growth(records: list[Record], path: Path) -> None:
    """Seconds against n, d and k on logarithmic axes, ours and eager float32, aniso and heavy."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "spice"
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 3, figsize=(11, 3.6), sharey=True, layout="constrained")
    threads = min((r["threads"] for r in records), default=1)
    styles = {"ours": "-o", "eager32": "--s"}
    colours = {"aniso": "tab:blue", "heavy": "tab:orange"}
    for axis, (name, sizes) in zip(axes, GROWTH.items(), strict=True):
        place = "ndk".index(name)
        for peer, style in styles.items():
            for kind, colour in colours.items():
                found = {
                    (r["n"], r["d"], r["k"]): clock(r)
                    for r in records
                    if (r["peer"], r["kind"], r["threads"], r["weight"]) == (peer, kind, threads, 0) and "seconds" in r
                }
                points = [(size[place], found[size]) for size in sizes if size in found]
                if points:
                    axis.plot(*zip(*points, strict=True), style, color=colour, label=f"{peer}, {kind}", markersize=4)
        fixed = ", ".join(f"{v} = {sizes[0][i]}" for i, v in enumerate("ndk") if v != name)
        axis.set(xscale="log", yscale="log", xlabel=f"{name}   ({fixed})")
        axis.set_xticks([size[place] for size in sizes], [f"{size[place]:,}" for size in sizes])
        axis.minorticks_off()
        axis.grid(visible=True, which="both", alpha=0.3)
    axes[0].set_ylabel("seconds" if threads > 1 else "processor seconds, one thread")
    if axes[0].lines:
        axes[0].legend(fontsize=8)
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)
