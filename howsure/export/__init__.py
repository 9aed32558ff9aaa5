"""Certainty as an ordinary ONNX graph: what every row gets first, with the masks as constants.

first masks ─┬─ the model's adapter: rows ─> raw outputs (W, n, …) ─┐
             └─ arithmetic: raw outputs ─> columns ─────────────────┴─ one graph ─ compared with assess ─ file
"""
