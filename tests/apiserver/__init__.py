"""Tests of how an API server is reached: files, programs and a server on loopback."""
