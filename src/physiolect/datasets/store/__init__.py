"""What lies on disk: rows of samples in Arrow shards, their manifest, and rows of tokens."""
