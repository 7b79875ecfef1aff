"""Scripts that print our speed against a named peer on the same work: `python -m benchmarks.NAME [--quick]`."""
