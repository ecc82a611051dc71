"""The semi-supervised VAE and its objective."""
