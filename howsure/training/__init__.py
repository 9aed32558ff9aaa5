"""Train members of an ensemble."""

from howsure.training.members import Snapshots, Swag, train_members

__all__ = ["Snapshots", "Swag", "train_members"]
