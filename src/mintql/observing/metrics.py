"""Everything that is counted and timed, by name. docs/operations.md says what each means and what to do about it.

Label values come from closed sets: root fields of the schema, codes of failures, names of jobs and channels,
institutions that this server offers. Nothing a client chooses, and nothing that tells who somebody is, is ever one.
"""

from __future__ import annotations

from mintql.observing.instruments import FEW_SECONDS, WORK_SECONDS, Instruments

ALL = Instruments()

# The API

REQUEST_SECONDS = ALL.histogram(
    "mintql_request_seconds",
    "From a request until its answer, by kind of operation and whether the answer was kept (hit, miss, none).",
    "kind",
    "cache",
)
RESPONSES = ALL.counter("mintql_responses_total", "Answers to requests, by HTTP status.", "status")
ROOT_FIELD_SECONDS = ALL.histogram(
    "mintql_root_field_seconds",
    "From calling the resolver of a root field until it returned.",
    "kind",
    "field",
    bounds=FEW_SECONDS,
)
ERRORS = ALL.counter("mintql_errors_total", "Errors in answers, members of results among them, by their code.", "code")
RATE_LIMITED = ALL.counter(
    "mintql_rate_limited_total", "Requests that were refused for having asked too much, by what was used up.", "limit"
)
PLANS = ALL.gauge(
    "mintql_plans", "Queries and events by whether a plan answered them: answered, repeated, unplanned.", "outcome"
)
CACHE_LOOKUPS = ALL.counter(
    "mintql_cache_lookups_total", "Answers looked for in the cache: local, redis, or miss.", "outcome"
)
SOCKETS_OPEN = ALL.gauge("mintql_sockets_open", "WebSockets that are open.")
SUBSCRIPTIONS_OPEN = ALL.gauge("mintql_subscriptions_open", "Subscriptions that are followed.")

# Events, alerts and deliveries

ALERTS = ALL.counter("mintql_alerts_total", "Budget alerts that were raised.")
EVENT_PUBLISH_SECONDS = ALL.histogram(
    "mintql_event_publish_seconds",
    "From writing the first event of a transaction until, after its commit, the wake-up was published.",
)
EVENT_SENT_SECONDS = ALL.histogram(
    "mintql_event_sent_seconds",
    "From the beginning of the transaction that wrote an event until a subscription that waited for it handed it on.",
)
DELIVERIES = ALL.counter(
    "mintql_deliveries_total",
    "What became of deliveries, by channel: sent, due again, dead, skipped.",
    "channel",
    "outcome",
)
DELIVERY_SECONDS = ALL.histogram(
    "mintql_delivery_seconds", "How long one attempt at a delivery took.", "channel", bounds=WORK_SECONDS
)
OUTBOX_DUE = ALL.gauge("mintql_outbox_due", "Deliveries that are due, counted up to 10,000.", "channel")
OUTBOX_OLDEST_SECONDS = ALL.gauge(
    "mintql_outbox_oldest_seconds", "For how long the oldest delivery has been due.", "channel"
)
OUTBOX_DEAD = ALL.gauge("mintql_outbox_dead", "Deliveries that were given up, counted up to 10,000.", "channel")
WEBHOOK_ATTEMPTS = ALL.counter(
    "mintql_webhook_attempts_total",
    "Attempts at webhooks to servers of persons: taken, refused, unreachable.",
    "outcome",
)
WEBHOOK_ENDPOINTS_DUE = ALL.gauge("mintql_webhook_endpoints_due", "Webhook endpoints something is due at.")

# Work

QUEUE_JOBS = ALL.gauge("mintql_queue_jobs", "Jobs in a queue, those that are to wait among them.", "queue")
QUEUE_OLDEST_SECONDS = ALL.gauge(
    "mintql_queue_oldest_seconds", "For how long the job that comes next has been due.", "queue"
)
RUNS_DUE = ALL.gauge("mintql_runs_due", "Sync runs that are due, counted up to 10,000.", "lane")
RUNS_OLDEST_SECONDS = ALL.gauge(
    "mintql_runs_oldest_seconds", "For how long the oldest sync run that is due has been so.", "lane"
)
JOB_SECONDS = ALL.histogram(
    "mintql_job_seconds",
    "How long jobs took, by name and outcome (done, failed).",
    "job",
    "outcome",
    bounds=WORK_SECONDS,
)
JOB_WAIT_SECONDS = ALL.histogram(
    "mintql_job_wait_seconds", "From when a job was due until a worker began it.", "queue", bounds=WORK_SECONDS
)
JOB_LAST_DONE = ALL.gauge(
    "mintql_job_last_done_timestamp_seconds", "When this process last came to the end of a job, in Unix time.", "job"
)

# Synchronising

SYNC_RUNS = ALL.counter(
    "mintql_sync_runs_total",
    "Ends of attempts at sync runs, by institution: succeeded, retried or failed, and the code of the failure.",
    "institution",
    "outcome",
    "code",
)
FETCH_SECONDS = ALL.histogram(
    "mintql_fetch_seconds", "How long fetching a run's pages took.", "institution", bounds=WORK_SECONDS
)
INGEST_ROWS = ALL.counter(
    "mintql_ingest_rows_total", "Rows ingested: added, changed, removed, matched, unchanged, quarantined.", "outcome"
)
INGEST_BATCH_SECONDS = ALL.histogram(
    "mintql_ingest_batch_seconds", "How long one transaction of an ingestion took, its commit included."
)
RECONCILE_PERSONS = ALL.counter("mintql_reconcile_persons_total", "Persons whose sums were recomputed and compared.")
RECONCILE_FINDINGS = ALL.gauge(
    "mintql_reconcile_findings", "Sums that were found wrong and mended within the last seven days."
)
RECONCILE_LAST = ALL.gauge(
    "mintql_reconcile_last_timestamp_seconds", "When the comparison of a night last came to its end, in Unix time."
)
RECONCILE_ROUND = ALL.gauge(
    "mintql_reconcile_round_timestamp_seconds", "When everybody had last been compared, in Unix time; 0 before that."
)

# Resources

DATABASE_CONNECTIONS = ALL.gauge("mintql_database_connections", "Connections by state: used, idle.", "pool", "state")
DATABASE_CONNECTIONS_MAX = ALL.gauge("mintql_database_connections_max", "How many connections a pool may have.", "pool")
DATABASE_WAITING = ALL.gauge("mintql_database_waiting", "Who waits for a connection of the pool.", "pool")
DATABASE_WAIT_SECONDS = ALL.histogram(
    "mintql_database_wait_seconds", "How long a connection of the pool was waited for.", "pool"
)
DATABASE_LOST = ALL.gauge(
    "mintql_database_connections_lost", "Connections that were lost while something was done on them.", "pool"
)
REPLICA_READS = ALL.gauge("mintql_replica_reads", "Reads that a replica has answered.", "replica")
REPLICA_AGE_SECONDS = ALL.gauge("mintql_replica_age_seconds", "How old what a replica has is at most.", "replica")
REDIS_FAILURES = ALL.counter(
    "mintql_redis_failures_total", "Commands that Redis failed or was too slow for, by use.", "use"
)
LOOP_LAG_SECONDS = ALL.histogram(
    "mintql_loop_lag_seconds", "By how much the event loop came late to what was to happen at a moment."
)
LOOP_BLOCKED = ALL.counter("mintql_loop_blocked_total", "How often the event loop stood still for seconds.")
INFO = ALL.gauge("mintql_info", "Always 1: which version, and what the process is.", "version", "role")
VITALS_AGE = ALL.gauge(
    "mintql_vitals_timestamp_seconds", "When what PostgreSQL and Redis tell was last read, in Unix time."
)
