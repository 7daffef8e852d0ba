"""The command `spice`: one thin file a verb; `main` is the way in."""
