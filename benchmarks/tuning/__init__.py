"""What α, λ, the early stop and the size of a pool do to a choice, and what `auto` makes of them."""
