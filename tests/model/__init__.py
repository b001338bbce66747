"""Random operations on a real API server, compared with a small pure model."""
