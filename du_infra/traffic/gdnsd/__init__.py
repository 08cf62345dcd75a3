"""gdnsd: the default backend, on servers of our own."""
