"""FLARE components of jobs whose updates reach the server as ciphertext only."""
