"""Howsure trains no networks: `docs/members.md` has the loop that trains the members of an ensemble."""

raise ImportError(
    "howsure trains no networks any more. Train each member from a seed of its own in a loop, and give the "
    "members to howsure.Ensemble([…]). docs/members.md shows the loop for Keras and for PyTorch"
)
