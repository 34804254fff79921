"""A whole params.yaml for each task, a file a preset. The one at the root of the project is town's."""
