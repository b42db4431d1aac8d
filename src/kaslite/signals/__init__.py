"""What can be read off a run: pure functions of tensors and numbers. Not for: deciding anything."""
