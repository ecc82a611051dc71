"""Speed and memory, ours beside others', measured in one process: `make bench`. Never run inside the tests.

The targets are ratios inside one run, so that they hold on any machine; close other programs meanwhile.
"""
