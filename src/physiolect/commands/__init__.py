"""One module a verb: its Config, and `run(config)`, which composes what the rooms below do."""
