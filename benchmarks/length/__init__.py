"""How much the loss's reduction prefers short or long responses."""
