"""What left a site: entries, the file they stay in, and how they are shown; no word of FLARE."""
