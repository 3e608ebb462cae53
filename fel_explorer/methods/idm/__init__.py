"""Information Distilling of Metastability, plain and divisive."""
