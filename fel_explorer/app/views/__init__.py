"""The views of the explorer, a folder each."""
