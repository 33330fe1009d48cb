"""The laws of behaviour, one a file: equation, source, unit, parameters, scalar kernel."""
