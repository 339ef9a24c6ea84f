"""Where arq finds the worker: `arq worker.WorkerSettings`."""

from mintql.jobs import WorkerSettings

__all__ = ["WorkerSettings"]
