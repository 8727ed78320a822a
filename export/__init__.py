"""Files: ONNX models and archives."""
