"""Does a choice of rows beat a random one: tunings of many arms and seeds, judged on the same held-out rows."""
