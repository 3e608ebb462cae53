"""Clusterings of an embedding into states: KMeans, PCCA+."""
