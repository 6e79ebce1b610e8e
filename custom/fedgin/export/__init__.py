"""A released model in the forms that other programs open."""
