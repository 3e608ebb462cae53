"""Free energy along one CV, and umbrella sampling along it."""
