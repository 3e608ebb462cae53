"""The page as a Python script: data, columns, models, selections and structures that it shows."""
