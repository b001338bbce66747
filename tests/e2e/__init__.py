"""The operator as a process, under its own service account, on a real API server."""
