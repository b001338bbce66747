"""Ferries credentials from vaults into Kubernetes Secrets."""

from importlib.metadata import version

__version__ = version("vaultferry")
