"""Estimates of Koopman operators: Ritz method, VAMP scores, time scales."""
