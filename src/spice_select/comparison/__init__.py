"""Several methods under one budget: let them choose, tune a model on each choice, and judge them by held-out rows.

`spice_select.compare` is the way in.
"""
