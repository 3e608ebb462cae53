"""Spectral embeddings without networks: PCA, TICA, diffusion maps."""
