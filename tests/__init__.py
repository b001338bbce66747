"""Tests, and the tools that they share."""
