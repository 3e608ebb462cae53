"""What the lessons calculate; no panel, no plots."""
