"""Jobs of the process: what they compute, their queue and their log."""
