"""A proxy that does to each request what a test says, and the tests that use it."""
