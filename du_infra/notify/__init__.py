"""Tells others of what was decided and what became of it: JSON to webhooks, beside the loop and never in its way."""
