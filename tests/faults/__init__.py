"""What breaks in operation, done on purpose to a whole mintql, and whether its promises hold afterwards.

`./dev faults` runs it; docs/faults.md explains it. `schedule` says what happens when, drawn from a seed; `stack` runs the
processes, `proxy` stands on every link between them, `injector` does the faults, `clients` are the persons; `facts` reads
what is there afterwards, `checks` holds it against the promises and knows nothing of how it came about.
"""
