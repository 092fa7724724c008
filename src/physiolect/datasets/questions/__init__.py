"""Questions about recordings and their answers: one format, readers of public ones, and questions made from labels."""
