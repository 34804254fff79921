"""Fuzzing of what reads the files and requests of strangers; `make fuzz`, and some of it in every test run."""
