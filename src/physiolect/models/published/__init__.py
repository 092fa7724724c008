"""Published weights: reading their files safely, and the map of their keys."""
