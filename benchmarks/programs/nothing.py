"""Do nothing: what every process of Python costs."""
