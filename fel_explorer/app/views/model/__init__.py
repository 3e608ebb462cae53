"""Training, choice and export of models."""
