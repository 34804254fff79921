"""What every room stands on: params.yaml as typed sections, labels, files that are whole or absent, devices, progress.

Plain values come in and go out. It imports nothing of hflow but itself.
"""
