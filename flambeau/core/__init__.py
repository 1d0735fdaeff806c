"""Dtypes, devices, sizes, avals and the algebra of layouts: pure data, no memory."""
