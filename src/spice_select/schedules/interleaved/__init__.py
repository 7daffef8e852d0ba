"""Selection interleaved with training: the proxy takes an optimiser step on what was picked, and goes on picking."""
