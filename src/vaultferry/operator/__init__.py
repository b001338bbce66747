"""The shell: watches, queue, health and metrics around the reconciler."""
