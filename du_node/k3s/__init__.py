"""K3s on this node: it joins a cluster, leaves it, and says how it stands. The cluster is planned by the controller."""
