"""Latent space simulators: encoder, propagator, decoder, and their reports."""
