"""The sealing webhook: a process of its own that makes tokens of plaintext."""
