"""Assessment of fitted methods: cross-validated scores, sensitivities, level sets."""
