"""ONNX: rules by operator family."""
