"""Ratios against bare baselines, measured side by side: `python -m bench`."""
