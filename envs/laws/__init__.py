"""The laws of behaviour, one a file: equation, source, unit, parameters, scalar kernel.

A parameter is declared under a comment that says what it is, its unit and where its value is
from: a source, "free choice", or "fitted by scenario". Units: [1] is a pure number.

How far a source was checked: [L] read in the source itself; [S] as reported by a secondary text;
[D] derived by calculation from such a number; [M] from memory, to be verified. A law has the
*form* its source names; none has been validated as a whole.
"""
