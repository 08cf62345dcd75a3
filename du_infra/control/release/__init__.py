"""Releases of a region from beginning to end: begin, go on, go back, look back."""
