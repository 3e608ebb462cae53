"""Pages next to the explorer: embedded physics and the lessons."""
