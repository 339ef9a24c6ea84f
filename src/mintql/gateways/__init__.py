"""The outside: cache, channel, queue, object store, secrets, guarded HTTP. One file each, every call bounded in time."""
