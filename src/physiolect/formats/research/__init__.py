"""What laboratories' recording systems write: one file of this room for each format."""
