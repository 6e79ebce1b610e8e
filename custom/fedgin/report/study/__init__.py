"""The study's report: words, figures and one page that opens offline."""
