"""The audit: attacks on the federation, each with its defence off and on, in figures."""
