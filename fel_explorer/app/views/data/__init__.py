"""The data: files, features, columns and frame weights."""
