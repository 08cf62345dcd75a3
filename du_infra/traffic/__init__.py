"""The world's entrance: which region a name leads to, with what weight."""
