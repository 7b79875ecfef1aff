"""Synthetic sets of samples with a known skill each, and a known graph of which skill helps which."""
