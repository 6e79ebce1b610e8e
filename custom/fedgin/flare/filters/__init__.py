"""FLARE filters that let out nothing they do not understand.

| task | what a site may answer | open | standard, strict |
|---|---|---|---|
| `train` | a weight difference; with SCAFFOLD a control beside it | both | no control |
| `validate` | metrics: modality, Dice by class, counts, summaries | yes | yes |
| `submit_model` | the site's own weights | yes | refused |
| `deliver` | the hash of the model received | yes | yes |
| `fingerprint` | counts of the site's data, as its own file lets them leave | yes | strict: noisy |
| any other | nothing | refused | refused |

Metrics of the model before training travel in the meta of the `train` answer and are held to the
same form. An answer whose return code is not OK leaves as that code alone.
"""
