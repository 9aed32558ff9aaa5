"""The PyTorch adapter, for any `torch.nn.Module`."""

from howsure.adapters.torch.inputs import channels_of, declared_specs, input_names, input_specs
from howsure.adapters.torch.model import TorchModel, weights_of
from howsure.adapters.torch.pipelines import check_pipeline, rows_of_texts
from howsure.adapters.torch.split import adapt

__all__ = [
    "TorchModel",
    "adapt",
    "channels_of",
    "check_pipeline",
    "declared_specs",
    "input_names",
    "input_specs",
    "rows_of_texts",
    "weights_of",
]
