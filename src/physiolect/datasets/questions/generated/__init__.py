"""Questions made from what is known of recordings: labels, experts' marks, and how a recording was made."""
