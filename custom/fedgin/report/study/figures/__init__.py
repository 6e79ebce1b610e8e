"""The study's figures: each module draws one kind and keeps no state of matplotlib's."""
