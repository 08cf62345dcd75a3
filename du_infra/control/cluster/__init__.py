"""The cluster of a region with ``runtime: k3s``: looked at, planned by du_infra.cluster, and acted on step by step."""
