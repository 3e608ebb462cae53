"""The jobs: queue, progress, logs."""
