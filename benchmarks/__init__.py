"""What the exporter costs, as ratios against floors measured in the same run: `python -m benchmarks`.

A floor is the least that the same work could cost: its ratio means the same on a fast and a slow computer.
"""
