"""The parts of ``sensor.py``: settings, storage, words for the operator, and EAP-TLS."""
