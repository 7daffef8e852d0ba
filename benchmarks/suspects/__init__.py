"""Noise planted in a corpus: how much of it is listed as suspect, and how much of what is listed was planted."""
