"""A region with K3s of its own, for what is measured and for what a person has verified on the real K3s."""
