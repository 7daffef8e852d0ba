"""What follows a selection: the chosen rows made ready for training."""
