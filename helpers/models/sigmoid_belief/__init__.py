"""The sigmoid belief network, and the ELBO whose layers have their own reward."""
