"""How fast, against what, on which machine. `make bench` runs all; README.md keeps what was measured.

Only ratios of one run can be compared: the same machine was up to 1.7 times slower an hour later.
"""
