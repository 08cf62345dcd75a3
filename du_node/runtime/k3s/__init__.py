"""K3s as a node's runtime: a slot is a Service of this node, a release's copies are a Deployment of the cluster."""
