"""`fedgin bench`: what the package costs, beside what a user would otherwise have."""
