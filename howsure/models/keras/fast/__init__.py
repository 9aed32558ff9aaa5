"""What makes passes of a Keras model faster. One line of model.py leaves each of these modules out.

thinned_dense  `self._thinned = {}` in `KerasModel.__init__`: each mask then thins numbers
bfloat16       `precisions=(FLOAT32,)` in `KerasModel.limits`: all layers then run in float32
convolutions   no `without_copies` in `KerasModel._fast`: PyTorch then copies images as Keras has it
"""
