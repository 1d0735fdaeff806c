"""Wrong calls, and what a user must be told: see `case`, `tensors`, `training`."""
