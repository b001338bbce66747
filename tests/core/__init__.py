"""Tests of the core: plain functions, no fixtures, no patching."""
