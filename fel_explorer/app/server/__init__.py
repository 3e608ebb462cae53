"""The web server: serves pages to visitors who may enter."""
