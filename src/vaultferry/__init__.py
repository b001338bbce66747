"""Ferries credentials from vaults into Kubernetes Secrets."""
