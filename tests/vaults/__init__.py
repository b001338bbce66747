"""Vaults that stand in for the real ones, over real sockets; see README.md."""
