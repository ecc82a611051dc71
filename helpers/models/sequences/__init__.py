"""State-space models, their guides, and their objective."""
