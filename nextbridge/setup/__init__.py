"""The first file of an operator: what is asked for it, how the answers are tested, and how it is written."""
