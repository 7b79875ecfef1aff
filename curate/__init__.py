"""curate: from a raw crawl to curated Arrow shards, every document accounted for."""

__version__ = "0.1.0"
