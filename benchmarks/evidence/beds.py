"""The beds of the evidence: a pool to choose from, rows to judge on, and a target, drawn from files by a seed.

No row is in two of them, and rows that stand in more than one place are kept once.
"""

import gzip
import json
import random
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Record = dict[str, Any]
LONGEST = 600
"""Characters of the longest row that is drawn: whole rows, so that nothing is cut."""


@dataclass(frozen=True)
class Bed:
    """One bed, as files of a folder: ``pool.jsonl``, ``held_out.jsonl``, ``target.jsonl`` (may be empty).

    Rows of the pool carry ``source``; those whose answer was swapped are listed in ``bad.json``, not in the pool.
    """

    folder: Path

    @property
    def pool(self) -> list[Record]:
        return _read(self.folder / "pool.jsonl")

    @property
    def bad(self) -> set[int]:
        """Positions in the pool of the rows with a swapped answer."""
        return set(json.loads((self.folder / "bad.json").read_text()))


def noisy(corpus: Path, folder: Path, *, share: float, within: bool, seed: int = 0) -> Bed:
    """1000 rows of every source, the answers of a share of them swapped, within their source or across sources.

    300 clean rows are held out and 64 clean rows are the target.
    """
    rng = random.Random(seed)
    kept = _drawn(corpus, rng, 1364)
    pool, held, target = kept[:1000], kept[1000:1300], kept[1300:]
    drawn = sorted(rng.sample(range(len(pool)), round(share * len(pool))))
    pool, bad = _swapped(pool, drawn, rng, within=within)
    return _written(folder, pool, held, target, bad)


def rare(
    corpus: Path, targets: Mapping[str, Sequence[Record]], folder: Path, *, rows: int = 1500, seed: int = 0
) -> list[Bed]:
    """One pool of every source and several targets: at most 3 % of it are of a target's own source.

    Args:
        corpus: the pool is drawn from it.
        targets: name → rows, of which 32 are the target and 150 others are held out.
        folder: where the beds lie, each in a folder of its target's name; the pool is the same in all.
        rows: of the pool.
        seed: of the draw.
    """
    rng = random.Random(seed)
    chosen = {name: sample(own, rng, 182) for name, own in targets.items()}
    taken = {_key(row) for own in chosen.values() for row in own}
    left = {own[0]["source"]: round(0.03 * rows) for own in chosen.values()}
    pool = list[Record]()
    for row in _drawn(corpus, rng, None):
        if _key(row) in taken or not left.get(row["source"], 1):
            continue
        if row["source"] in left:
            left[row["source"]] -= 1
        pool.append(row)
        if len(pool) == rows:
            break
    return [_written(folder / name, pool, own[32:], own[:32], []) for name, own in chosen.items()]


def sample(rows: Sequence[Record], rng: random.Random, count: int) -> list[Record]:
    """So many of the rows that are short enough and have an answer, each once."""
    fit = list({_key(row): row for row in rows if _fits(row)}.values())
    return rng.sample(fit, count)


def like_the_pool(corpus: Path, folder: Path, *, rows: int = 600, held: int = 300, seed: int = 0) -> Bed:
    """A clean pool, and held-out rows of the same mixture."""
    rng = random.Random(seed)
    kept = _drawn(corpus, rng, rows + held)
    return _written(folder, kept[:rows], kept[rows:], [], [])


def others_like_it(home: Bed, corpus: Path, count: int, *, seed: int) -> list[Record]:
    """So many rows of the mixture that a bed was drawn from by this seed, which it does not hold."""
    held = {_key(row) for name in ("pool", "held_out") for row in _read(home.folder / f"{name}.jsonl")}
    drawn = _drawn(corpus, random.Random(seed), count + len(held))
    return [row for row in drawn if _key(row) not in held][:count]


def judged_by_gold(home: Bed, target: Sequence[Record], gold: Mapping[str, Sequence[Record]], folder: Path) -> Bed:
    """Another bed's pool and held-out rows, with a target, judged by the gold answers of tasks as well."""
    shutil.copytree(home.folder, folder, ignore=shutil.ignore_patterns("*.npz"))
    _write(folder / "target.jsonl", target)
    for task, answers in gold.items():
        _write(folder / f"gold-{task}.jsonl", answers)
    return Bed(folder)


def redundant(
    corpus: Path, folder: Path, *, distinct: int = 300, rows: int = 1000, held: int = 300, seed: int = 0
) -> Bed:
    """A pool most of whose rows are copies: `distinct` rows, and copies of them up to `rows`, their numbers by Zipf.

    A copy's prompt stands in other letters or after another word, so that few are equal to the letter.
    """
    rng = random.Random(seed)
    kept = _drawn(corpus, rng, distinct + held)
    originals = kept[:distinct]
    weights = [1 / (place + 1) for place in range(distinct)]
    copied = rng.choices(originals, weights, k=rows - distinct)
    pool = [*originals, *(_reworded(row, rng) for row in copied)]
    rng.shuffle(pool)
    return _written(folder, pool, kept[distinct:], [], [])


_REWORDED: tuple[Callable[[str], str], ...] = (
    str,
    str.lower,
    lambda text: f"Please answer. {text}",
    lambda text: f"{text}\n",
    lambda text: f"Question: {text}",
)


def _reworded(row: Record, rng: random.Random) -> Record:
    turns = [dict(turn) for turn in row["messages"]]
    turns[-2]["content"] = rng.choice(_REWORDED)(turns[-2]["content"])
    return {**row, "messages": turns}


def rows_of(corpus: Path, source: str) -> list[Record]:
    """All first exchanges of one source."""
    return [_first_exchange(row) for row in _lines(corpus) if row["source"] == source]


def as_chat(
    path: Path, question: Callable[[Record], str], answer: Callable[[Record], str], source: str
) -> list[Record]:
    """The rows of a benchmark's file as conversations of two turns."""
    return [
        {
            "messages": [
                {"role": "user", "content": question(row)},
                {"role": "assistant", "content": answer(row)},
            ],
            "source": source,
        }
        for row in _lines(path)
    ]


def _drawn(corpus: Path, rng: random.Random, count: int | None) -> list[Record]:
    rows = [_first_exchange(row) for row in _lines(corpus)]
    rng.shuffle(rows)
    kept, seen = list[Record](), set[str]()
    for row in rows:
        if _fits(row) and _key(row) not in seen:
            seen.add(_key(row))
            kept.append(row)
        if len(kept) == count:
            break
    return kept


def _first_exchange(row: Record) -> Record:
    turns = row["messages"]
    start = 1 if turns[0]["role"] == "system" else 0
    return {"messages": turns[: start + 2], "source": row["source"]}


def _fits(row: Record) -> bool:
    turns = row["messages"]
    if len(turns) < 2 or turns[-1]["role"] != "assistant" or not turns[-1]["content"].strip():
        return False
    return sum(len(turn["content"]) for turn in turns) <= LONGEST


def _key(row: Record) -> str:
    return " ".join(" ".join(turn["content"].lower().split()) for turn in row["messages"])


def _swapped(
    pool: list[Record], drawn: Sequence[int], rng: random.Random, *, within: bool
) -> tuple[list[Record], list[int]]:
    groups: dict[str, list[int]] = {}
    for place in drawn:
        groups.setdefault(pool[place]["source"] if within else "", []).append(place)
    answers: dict[int, str] = {}
    for members in groups.values():
        if len(members) > 1:
            rng.shuffle(members)
            for to, origin in zip(members, members[1:] + members[:1], strict=True):
                answers[to] = pool[origin]["messages"][-1]["content"]
    changed = []
    for place, row in enumerate(pool):
        turns = [dict(turn) for turn in row["messages"]]
        if place in answers:
            turns[-1]["content"] = answers[place]
        changed.append({**row, "messages": turns})
    return changed, sorted(answers)


def _written(
    folder: Path, pool: Sequence[Record], held: Sequence[Record], target: Sequence[Record], bad: Sequence[int]
) -> Bed:
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in (("pool", pool), ("held_out", held), ("target", target)):
        _write(folder / f"{name}.jsonl", rows)
    (folder / "bad.json").write_text(json.dumps(list(bad)))
    return Bed(folder)


def _write(path: Path, rows: Sequence[Record]) -> None:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


def _lines(path: Path) -> Iterator[Record]:
    opener: Any = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8") as lines:
        yield from (json.loads(line) for line in lines)


def _read(path: Path) -> list[Record]:
    return list(_lines(path))
