"""The driver for Matrix."""
