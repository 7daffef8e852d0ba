"""How fast the gradient engine is, and how far its sketches can be trusted."""
