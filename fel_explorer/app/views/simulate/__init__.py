"""Latent space simulators and their simulations."""
