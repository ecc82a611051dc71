"""Explorers, one a file: a plain function from a state to a picture, and a thin view over it."""
