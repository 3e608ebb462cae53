"""Comparison of conditions: maps side by side, what differs, and what of it is significant."""
