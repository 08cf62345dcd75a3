"""What stands beside the local cloud's machines: its registry, the sample images, and this machine's tools."""
