"""Readers of statement files, one file per format, all giving the same shape (`base.ParsedFile`).

Pure: bytes in, values out, so that a file can be read again from the object store. May import `domain`.
"""
