"""Parts on a cluster: the forecast, and the forecast against Ray."""
