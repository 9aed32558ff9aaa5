"""Train members of an ensemble."""

from howsure.optional import needs_keras

with needs_keras():
    from howsure.training.members import Snapshots, Swag, train_members

__all__ = ["Snapshots", "Swag", "train_members"]
