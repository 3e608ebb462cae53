"""Sessions, views and inputs on disk."""
