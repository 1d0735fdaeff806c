"""From loops and contractions to machine code."""
