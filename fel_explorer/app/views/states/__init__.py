"""The metastable states: tree, table, lifetimes."""
