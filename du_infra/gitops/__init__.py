"""A service's Kubernetes objects as files for Git: a Kustomize tree and a Helm chart, from what du-node itself runs."""
