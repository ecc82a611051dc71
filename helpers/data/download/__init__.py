"""Data files: where they come from, their checksums, and the one import of torchvision."""
