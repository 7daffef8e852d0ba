"""Chosen preference pairs as the trainers of `DESTINATIONS` take them; each destination hands a run of pairs over."""
