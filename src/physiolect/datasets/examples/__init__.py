"""Windows of a store with their labels: splits, folds and batches."""
