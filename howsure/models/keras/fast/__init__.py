"""Faster passes for Keras models. A change of one line in model.py disables each of these modules.

thinned_dense  `self._thinned = {}` in `KerasModel.__init__`: inputs are then thinned for each mask
bfloat16       `precisions=(FLOAT32,)` in `KerasModel.limits`: all layers then run in float32
convolutions   no `without_copies` in `KerasModel._fast`: Keras then copies images on PyTorch
"""
