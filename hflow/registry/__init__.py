"""MLflow: the runs of trainings and scores, the versions of models, the gate, the served model.

A model folder and figures come in, runs, versions and aliases go out. The one room that imports mlflow; it imports
`translation` and what is below it.
"""
