"""The arithmetic of privacy, as plain functions: no FLARE, no torch."""
