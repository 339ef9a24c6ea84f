"""The outside: cache, channel, queue, object store, secrets, passwords, guarded HTTP.

One file each; every call is bounded in time.
"""
