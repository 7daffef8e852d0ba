"""A run: its settings, its folder, what makes it this run and no other, its files, and reading it back."""
