"""Encoders of network methods: dense layers on any features, or a graph network on coordinates of atoms."""
