"""Learning without labels: settings, presets, the network that learns, and what a run needs of it."""
