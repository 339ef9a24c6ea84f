"""What tests share: factories and small clients. Nothing here asserts."""
