"""People look at translated frames and judge them: a page, datasets and tasks for other tools, and the way back.

A translated dataset comes in; a page, a dataset of FiftyOne or tasks go out, and verdicts come back as the CSV that
`translate.reject` names. It imports `reports`, `metrics`, `datasets` and `foundation`.
"""
