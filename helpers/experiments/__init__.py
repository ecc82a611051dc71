"""What explorers and reproductions measure, without widgets."""
