"""Measurements that explorers and reproductions share, without widgets and without figures."""
