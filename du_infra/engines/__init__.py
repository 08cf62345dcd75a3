"""One thin adapter for each outside tool; no decision lives here."""
