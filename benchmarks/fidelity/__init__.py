"""How far sketches of gradients can be trusted, against their length."""
