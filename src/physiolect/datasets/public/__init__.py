"""The public datasets, one file each, and downloading them."""
