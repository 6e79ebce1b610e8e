"""Looking at every case of a site once: what is wrong with one, and what shows among all."""
