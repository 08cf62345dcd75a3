"""Amazon Route 53: weighted record sets."""
