"""What sites may tell of their data before they train together, and the plan that follows from it.

A site counts its cases into bins that are the same everywhere (`bins`, `case_facts`, `counts`),
makes of the counts what its policy lets leave (`release`), and sends that. Sums of such counts are
all that anybody sees (`document.merge`); `plan_rules` derives from them the settings of a training
job, which pins them by their hash (`plan`).
"""
