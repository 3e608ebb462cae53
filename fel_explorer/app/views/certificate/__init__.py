"""Certificates of the trained models."""
