"""Writing a site's file from a data set as it unzips."""
