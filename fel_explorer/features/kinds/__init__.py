"""Kinds of features, one a file, each with the featurizers that choose its atoms."""
