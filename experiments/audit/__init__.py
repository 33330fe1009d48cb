"""The gaming audit: policies that raise a reward while what it stands for falls.

candidates draws the policies that are searched, score walks people under them, study searches and
confirms on other people, trace tells one person's life under both, page writes the report.
"""
