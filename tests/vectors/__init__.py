"""The published vectors: what made them, and a second implementation."""
