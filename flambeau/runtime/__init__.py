"""What a device offers: storages and random streams. Knows nothing of operations."""
