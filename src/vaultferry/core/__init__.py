"""What Vaultferry decides: pure and synchronous, no I/O, clock, log or environment."""
