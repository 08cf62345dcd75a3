"""Who is ready, by whose word."""
