"""What the process says of itself: counts, times, and what a log line or a trace belongs to.

The lowest room beside `domain` and `settings`: everybody above may count, and nothing here knows who reads the counts
(`gateways/metrics.py` writes them for Prometheus) or where lines and spans go. Standard library only, but for
`telemetry`, which imports OpenTelemetry when it is asked for.
"""
