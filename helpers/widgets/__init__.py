"""Interactive explorers: each module holds one, but `set_up`, which checks the installation; `parts` holds what they share."""
