"""The web server: serves pages to visitors."""
