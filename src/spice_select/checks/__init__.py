"""Questions asked before a run and after it: rows as a model sees them, its fitness, the theory on a run."""
