"""From files and folders to a store: in parallel, in order, on one machine or a cluster."""
