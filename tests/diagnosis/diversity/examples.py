"""Rows whose numbers are known, and every number again by its definition, a row at a time."""

import math

import numpy as np


def at(*degrees):
    """Unit rows of two dimensions at these angles."""
    return np.array([[math.cos(math.radians(angle)), math.sin(math.radians(angle))] for angle in degrees])


def cloud(n, d, seed=0):
    """Rows that lean one way, each of a length of its own."""
    rng = np.random.default_rng(seed)
    return (rng.standard_normal((n, d)) + 0.7) * rng.lognormal(size=(n, 1))


def unit(row):
    length = math.sqrt(sum(value * value for value in row))
    return [value / length if length > 0 else 0.0 for value in row]


def squared(left, right):
    return sum((a - b) ** 2 for a, b in zip(left, right, strict=True))


def naive_centred(pool):
    """Every row at length one, less the mean of all, at length one; no row of zeros among them."""
    rows = [unit(row) for row in pool]
    mean = [sum(column) / len(rows) for column in zip(*rows, strict=True)]
    return [unit([value - middle for value, middle in zip(row, mean, strict=True)]) for row in rows]


def naive_log_det(rows, gamma):
    kernel = [[math.exp(-gamma * squared(left, right)) + 1e-8 * (left is right) for left in rows] for right in rows]
    return float(np.linalg.slogdet(np.array(kernel))[1])


def naive_crowding(pool, row, neighbours=10):
    rows = [unit(one) for one in pool]
    others = sorted(squared(rows[row], other) for position, other in enumerate(rows) if position != row)
    nearest = others[:neighbours]
    return 1 / (sum(nearest) / len(nearest) + 1e-9)


def naive_novelsum(pool, choice, neighbours=10):
    """The mean over rows of the weighted average distance, the row itself ranked first."""
    rows, found = [unit(pool[row]) for row in choice], []
    for row, own in zip(choice, rows, strict=True):
        distances = sorted(squared(own, other) / 2 for other in rows)
        weighted = sum(distance / rank for rank, distance in enumerate(distances, 1))
        weights = sum(1 / rank for rank in range(1, len(rows) + 1))
        found.append(naive_crowding(pool, row, neighbours) ** 0.5 * weighted / weights)
    return sum(found) / len(found)


def naive_paper_novelsum(pool, choice, neighbours=10):
    """The sum over rows of the others' distances by rank, each times the root of that other's crowding."""
    crowds = {row: naive_crowding(pool, row, neighbours) ** 0.5 for row in choice}
    total = 0.0
    for row in choice:
        others = sorted((squared(unit(pool[row]), unit(pool[one])) / 2, one) for one in choice if one != row)
        total += sum(distance * crowds[one] / rank for rank, (distance, one) in enumerate(others, 1))
    return total


def naive_nearest(pool, choice):
    return sum(
        min(squared(unit(pool[row]), unit(pool[other])) / 2 for other in choice if other != row) for row in choice
    ) / len(choice)


def naive_effective_rank(rows):
    shares = np.linalg.svd(np.array(rows), compute_uv=False) ** 2
    shares = [share / shares.sum() for share in shares if share > 0]
    return math.exp(-sum(share * math.log(share) for share in shares))
