"""Prefect flows: the stages and the whole pipeline, orchestrated. Without the decorators the code still works."""
