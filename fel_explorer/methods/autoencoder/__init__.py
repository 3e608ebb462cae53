"""Autoencoders, plain and regularised by eigenfunctions or committors."""
