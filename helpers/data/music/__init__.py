"""Chorales: loading, MIDI, audio, and a generator of four-part harmony whose likelihood is exact."""
