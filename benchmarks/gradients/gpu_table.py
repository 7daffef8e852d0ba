"""What a run on a GPU comes to, for people: the last thing that is printed."""

from typing import Any

BAR = 0.45
"""Model FLOP utilisation below which the report says where the time goes."""
UNRUN = (
    "NOT RUN ON A CARD: no GPU is here. A toy model on a processor shows that the code runs, and nothing of its speed."
)


def gpu_table(report: dict[str, Any]) -> str:
    """Models, then selections, then what was left out, in Markdown."""
    on_card = report["device"] != "processor"
    lines = [f"{report['device']}, {report['seconds']:.0f} s" if on_card else UNRUN, ""]
    heads = ("model", "rows/s", "tokens/s", f"MFU (bar {BAR:.0%})", "engine ÷ plain", "loop ÷ engine", "peak MiB")
    lines += ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    lines += [_model(record) for record in report["models"]]
    lines += ["", "| engine alone | tokens a batch | rows/s | tokens/s | MFU |", "|---|---|---|---|---|"]
    lines += [_alone(record["model"], one) for record in report["models"] for one in record["by_budget"]]
    lines += ["", "| selection (n, d, k) | on | s | same picks |", "|---|---|---|---|"]
    lines += [_selection(record) for record in report["selector"]]
    for record in report["models"]:
        used = record["utilisation"]
        if used is None or used < BAR:
            lines += ["", f"Where a batch's time goes, {record['model']}:"]
            lines += [f"- {share:.0%} {name}" for name, share in record["where"]]
    return "\n".join([*lines, *(f"\nLeft out: {what}" for what in report["left_out"])])


def _model(record: dict[str, Any]) -> str:
    speed, used, peak = record["speed"], record["utilisation"], record["peak_mib"]
    cells = (
        record["model"],
        f"{record['rows_per_second']:.3g}",
        f"{record['tokens_per_second']:.3g}",
        "?" if used is None else f"{used:.0%}" + ("" if used >= BAR else ", below"),
        f"{speed['over_plain']['wall']['engine']:.2f}",
        f"{speed['loop_over_engine']['wall']:.1f}",
        "" if peak is None else f"{peak['engine']:,.0f}",
    )
    return "| " + " | ".join(cells) + " |"


def _alone(model: str, record: dict[str, Any]) -> str:
    used = "?" if record["utilisation"] is None else f"{record['utilisation']:.0%}"
    rates = f"{record['rows_per_second']:.3g} | {record['tokens_per_second']:.3g}"
    return f"| {model} | {record['token_budget']:,} | {rates} | {used} |"


def _selection(record: dict[str, Any]) -> str:
    same = {True: "yes", False: "NO", None: ""}[record["same"]]
    size = f"({record['rows']:,}, {record['dim']:,}, {record['picks']:,})"
    return f"| {size} | {record['on']} | {record['seconds']:.3g} | {same} |"
