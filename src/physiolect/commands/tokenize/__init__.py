"""The verbs of ECG-Byte's tokens: `physiolect tokenize train`, `encode`, `inspect` and `track`."""
