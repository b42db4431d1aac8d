"""The proof: whether growing pays, and whether the judges of this house can be trusted."""
