"""All runs: scores and sweeps."""
