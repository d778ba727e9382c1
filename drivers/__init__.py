"""The chat platforms that NextBridge speaks: one module or package each; none knows another."""
