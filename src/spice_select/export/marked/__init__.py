"""Answers marked good or bad as trainers of KTO take them; each destination hands a run of such rows over."""
