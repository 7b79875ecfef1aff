"""Writers of what a run publishes: one file a format."""
