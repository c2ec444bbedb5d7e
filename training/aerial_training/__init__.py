"""Training of the change detectors; its libraries are the extra ``train``."""
