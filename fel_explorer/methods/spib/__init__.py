"""State predictive information bottleneck."""
