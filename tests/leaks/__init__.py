"""Looks for values where they must not be: canaries, and the forms they may take."""
