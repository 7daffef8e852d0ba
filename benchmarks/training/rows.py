"""The corpus of the comparison and its held-out rows: drawn from one file, disjoint, none longer than a limit."""

import json
from pathlib import Path

import numpy as np

from spice_select.data.corpus import read_corpus
from spice_select.data.encoding import Encoder, encode_rows
from spice_select.data.formats import detect_format
from spice_select.models.load import load_tokenizer
from spice_select.run.settings import SelectSettings


def draw(corpus: str, model: str | None, folder: Path, *, rows: int, held_out: int, longest: int, seed: int) -> None:
    """Write `corpus.jsonl` and `held_out.jsonl` into the folder, once.

    Rows whose conversation takes more than `longest` tokens are left out rather than cut: what is cut has no end.
    """
    if (folder / "held_out.jsonl").is_file():
        return
    read = read_corpus(corpus, SelectSettings()).rows
    encoded = encode_rows(read, detect_format(read, None), Encoder(load_tokenizer(model), max_length=longest + 1))
    fit = [example.row for example in encoded.examples if example.num_tokens <= longest and not example.truncated]
    order = np.random.default_rng(seed).permutation(fit)
    if len(order) < rows + held_out:
        raise SystemExit(f"{len(order)} rows of at most {longest} tokens, {rows + held_out} are needed")
    folder.mkdir(parents=True, exist_ok=True)
    for name, part in (("corpus", order[:rows]), ("held_out", order[rows : rows + held_out])):
        lines = [json.dumps(read[int(row)].raw, ensure_ascii=False) for row in sorted(part)]
        (folder / f"{name}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
