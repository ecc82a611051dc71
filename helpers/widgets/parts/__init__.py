"""What explorers share: controls and view, panels, ticks, words, pixels, and parts of single explorers."""
