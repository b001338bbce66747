"""How an API server is reached, and as whom: as a kubeconfig says, or as a pod."""
