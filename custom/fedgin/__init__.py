"""Federated cross-modality segmentation with GIN augmentation."""

__version__ = "0.1.0"
