"""What every ONNX graph is written with: nodes, and arrays whose operators write nodes."""
