"""The only place that knows NVIDIA FLARE: adapters between it and `fedgin.engine`."""
