"""Spending by category straight from the raw log, on an engine that runs here or on a cluster: the extra `batch`.

Lives between `runtime` and `services`: it may import services and what is below. `log` reads files of the raw log into
columns, `program` is the computation over them, `decisions` takes from the database what no institution said, and
`spending` is the use case: compute, compare with the stored sums, rebuild them.
"""
