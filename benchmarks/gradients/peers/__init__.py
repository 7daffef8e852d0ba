"""Other libraries' per-sample gradients on the same rows and parameters, each in an environment of its own."""
