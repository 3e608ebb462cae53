"""Repairs of other libraries, a file each, named by library."""
