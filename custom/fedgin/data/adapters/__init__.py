"""Data sets of the literature as they unzip, one file each."""
