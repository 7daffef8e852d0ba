"""One reader for each kind of file; each yields raw rows with the place where they stand."""
