"""FLARE's side of fingerprints: a site's executor and the server's workflow."""
