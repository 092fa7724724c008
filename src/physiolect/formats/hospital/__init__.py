"""What electrocardiographs and Holter recorders export: one file of this room for each format."""
