"""The base of every ONNX graph: nodes, and arrays whose operators write nodes."""
