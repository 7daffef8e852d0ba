"""Lazy greedy for log det in blocks: float32 says which rows cannot win, float64 picks among the others. Exact.

`rounds` is the way in (`run_blocked`). Each round asks `bounds` for contenders and opens a `block` of them, whose rows
are `whitened` by the `root` and picked from by the `inner` loop; `ties` settles what no block can hold, and `state` is
what they all work on. `kernel/` has the same loops compiled (`kernels`, `threads`, `products`). docs/selection.md has
the proofs.
"""
