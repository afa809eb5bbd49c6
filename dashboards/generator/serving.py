"""Dashboard "Serving": is Kiln well, and if not, where."""

from grafana_foundation_sdk.builders.dashboard import Row
from grafana_foundation_sdk.models.dashboard import DataTransformerConfig
from panels import (
    BLUE,
    GREEN,
    INSTANCE,
    METHOD,
    MODEL,
    RED,
    YELLOW,
    fixed_colors,
    heat,
    last,
    limited,
    lines,
    number,
    or_idle,
    or_zero,
    query,
    rows,
    stacked,
    steps,
)

# compose.yaml: one core and 320 MiB for an instance. Promised in compose/prometheus/rules/alerts.yml: p99 below 250 ms,
# one error in a thousand.
CPU_LIMIT, MEMORY_LIMIT = 1, 320 * 1024**2
SLOW, ERRORS = 0.25, 0.001

CALLS = f"rpc_server_call_duration_seconds_count{{{METHOD}}}"
# A method that does not exist is the client's fault.
FAILED = f'rpc_server_call_duration_seconds_count{{{METHOD}, rpc_method!="_OTHER", error_type!=""}}'
BUCKETS = f"rpc_server_call_duration_seconds_bucket{{{METHOD}}}"
# The same of POST /predict. From 500 on a status says that the server is at fault.
PREDICT = f'{INSTANCE}, method="POST", route="/predict"'
POSTS = f"http_server_request_duration_seconds_count{{{PREDICT}}}"
FAILED_POSTS = f'http_server_request_duration_seconds_count{{{PREDICT}, status=~"5.."}}'
POST_BUCKETS = f"http_server_request_duration_seconds_bucket{{{PREDICT}}}"
# HTTP without predictions and without what machines ask for.
FOR_PEOPLE = f'{INSTANCE}, route!~"/predict|/metrics|/livez|/readyz"'
RATE = "[$__rate_interval]"


def both_doors(grpc, http, function="rate"):
    """The series of both; their labels differ, so that `or` keeps all of them."""
    return f"({function}({grpc}{RATE}) or {function}({http}{RATE}))"


def panels():
    """Every panel and row, in their order."""
    return [*now(), *requests(), *latency(), *http(), *batches(), *instances(), *models(), *front(), *replaced()]


def now():
    return [
        number(
            "Instances up", "short", "Kiln instances that answer Prometheus.",
            [query(f"sum(up{{{INSTANCE}}})", "instances")],
        ).thresholds(steps((0, RED), (1, GREEN))),
        number(
            "Requests", "reqps", "Predictions a second: gRPC calls of the methods chosen above, and POST /predict.",
            [query(or_zero(f"sum({both_doors(CALLS, POSTS)})"), "requests")],
        ),
        number(
            "Errors", "percentunit",
            "Share of predictions, over gRPC and HTTP together, that failed by the server's fault. What a client did wrong is "
            "none. Promised: at most 0.1 %.",
            [query(
                or_zero(f"sum({both_doors(FAILED, FAILED_POSTS)}) / (sum({both_doors(CALLS, POSTS)}) > 0)"), "errors"
            )],
        ).thresholds(steps((ERRORS, YELLOW), (0.01, RED))).decimals(2),
        number(
            "p99 latency", "s", "All but one prediction in a hundred are faster, over gRPC and HTTP together. Promised: below 250 ms.",
            [query(or_idle(f"histogram_quantile(0.99, sum by (le) ({both_doors(BUCKETS, POST_BUCKETS)}))"), "p99")],
        ).thresholds(steps((SLOW / 5, YELLOW), (SLOW, RED))),
        number(
            "In flight", "percentunit", "Requests inside, as a share of what is let in (--max-requests), the fullest instance.",
            [query(f"max(kiln_requests_in_flight{{{INSTANCE}}} / kiln_requests_limit)", "in flight")],
        ).thresholds(steps((0.5, YELLOW), (0.8, RED))).decimals(1),
        number(
            "Turned away", "reqps", "Requests a second that were refused before they were computed, whatever the reason.",
            [query(f"sum(rate(kiln_rejections_total{{{INSTANCE}}}{RATE}))", "turned away")],
        ),
        number(
            "Models loaded", "short", "Different models and versions that are loaded.",
            [query(f"count(count by (model, version) (kiln_model_info{{{MODEL}}}))", "models")],
        ).thresholds(steps((0, RED), (1, GREEN))),
        number(
            "Alerts firing", "short", "Prometheus has their names and reasons under Alerts, Grafana under Alerting.",
            [query('count(ALERTS{alertstate="firing"}) or vector(0)', "alerts")],
        ).thresholds(steps((1, RED))),
    ]


def requests():
    return [
        Row("Requests"),
        stacked(lines(
            "Request rate", "reqps",
            "Predictions a second: gRPC calls by method (gRPC-Web counts as gRPC), and POST /predict over HTTP. Health checks, "
            "reflection and the page are left out.",
            [
                query(or_zero(f"sum by (rpc_method) (rate({CALLS}{RATE}))", "rpc_method"), "{{rpc_method}}"),
                query(or_zero(f"sum(rate({POSTS}{RATE}))"), "POST /predict"),
            ],
        )),
        lines(
            "Errors by status", "reqps",
            "Predictions a second that did not end in OK. The client's fault are INVALID_ARGUMENT, NOT_FOUND, CANCELLED and HTTP "
            "400 to 499; UNAVAILABLE, INTERNAL, DEADLINE_EXCEEDED and HTTP 500 and more count against the promise.",
            [
                query(or_zero(
                    f'sum by (rpc_status_code) (rate(rpc_server_call_duration_seconds_count{{{METHOD}, rpc_status_code!="OK"}}{RATE}))',
                    "rpc_status_code",
                ), "{{rpc_status_code}}"),
                query(or_zero(
                    f'sum by (status) (rate(http_server_request_duration_seconds_count{{{PREDICT}, status!~"2.."}}{RATE}))', "status"
                ), "HTTP {{status}}"),
            ],
        ),
        lines(
            "Rejections by reason", "reqps",
            "What was turned away before it was computed, over all doors. queue_full: more instances are needed. deadline: clients "
            "wait less than the queue lasts. invalid: the request could not be understood. docs/metrics.md has every reason.",
            [query(f"sum by (reason) (rate(kiln_rejections_total{{{INSTANCE}}}{RATE}))", "{{reason}}")],
        ),
    ]


def latency():
    doors = {"gRPC": BUCKETS, "HTTP": POST_BUCKETS}
    quantiles = {"p50": 0.5, "p99": 0.99, "p99.9": 0.999}
    shades = {
        "gRPC p50": "light-green", "gRPC p99": "green", "gRPC p99.9": "dark-green",
        "HTTP p50": "light-blue", "HTTP p99": "blue", "HTTP p99.9": "dark-blue",
    }

    def both(metric, name, of=MODEL):
        quantile = "histogram_quantile({}, sum by (le) (rate({}{{{}}}{})))"
        return [
            query(or_idle(quantile.format(q, f"{metric}_bucket", of, RATE)), f"{name} {p}")
            for p, q in quantiles.items()
            if q < 0.999
        ]

    return [
        Row("Latency"),
        fixed_colors(limited(lines(
            "Latency", "s",
            "How long predictions took, measured by Kiln: over gRPC from a call's headers to the end of its answer, over HTTP "
            "(POST /predict) from a request's headers until its answer is ready. A stream lasts as long as its client likes: "
            "choose Predict above to leave streams out.",
            [
                query(or_idle(f"histogram_quantile({q}, sum by (le) (rate({buckets}{RATE})))"), f"{door} {p}")
                for door, buckets in doors.items()
                for p, q in quantiles.items()
            ],
        ), (SLOW, RED)), shades).fill_opacity(0),
        heat(
            "Latency, all predictions", "s",
            "How many took how long, over gRPC and HTTP together. Two bands are two kinds of request.",
            [query(or_zero(f"sum by (le) ({both_doors(BUCKETS, POST_BUCKETS, 'increase')})", "le", "0.0001"), "{{le}}")],
        ),
        fixed_colors(lines(
            "Queue wait and compute", "s",
            "Where the time goes. Read wait or queue wait above compute: more requests than one instance can take, add "
            "instances. Read wait is that of connections that are not read while there is enough to compute; what has "
            "waited for 250 ms is turned away. Compute is that of a whole batch. Event loop is how long a thread takes to turn "
            "to a socket: a health check waits for as long.",
            [
                *both("kiln_queue_duration_seconds", "queue wait"),
                *both("kiln_compute_duration_seconds", "compute"),
                *both("kiln_read_wait_duration_seconds", "read wait", INSTANCE),
                *both("kiln_event_loop_delay_seconds", "event loop", INSTANCE),
            ],
        ), {"event loop p50": "light-green", "event loop p99": "dark-green", "read wait p50": "light-purple", "read wait p99": "dark-purple", "queue wait p50": "light-orange", "queue wait p99": "dark-orange", "compute p50": "light-blue", "compute p99": "dark-blue"}
        ).fill_opacity(0),
    ]


def http():
    page = f'http_server_request_duration_seconds_count{{{INSTANCE}, method="GET", route="/", status=~"200|304"}}'
    requests_for_people = f"http_server_request_duration_seconds_count{{{FOR_PEOPLE}}}"
    return [
        Row("HTTP"),
        number(
            "Page views", "short", "How often the page to draw on was opened (GET / that was answered) in the time range of the dashboard.",
            [last(or_zero(f"sum(increase({page}[$__range]))"), "views")],
        ).decimals(0).height(8).span(4),
        lines(
            "Predictions over HTTP", "reqps",
            "POST /predict a second, by status. 400: what was sent cannot be read or shows no digit; 429: the server was full; 500 and "
            "more: the server's fault.",
            [query(or_zero(f"sum by (status) (rate({POSTS}{RATE}))", "status"), "{{status}}")],
        ).span(10),
        lines(
            "The page and the rest", "reqps",
            "HTTP requests a second by route, without predictions, probes and scrapes: the page (/), the description of the API, the list of "
            "models. _OTHER is what is not there.",
            [query(or_zero(f"sum by (route) (rate({requests_for_people}{RATE}))", "route"), "{{route}}")],
        ).span(10),
    ]


def batches():
    return [
        Row("Queue and batches"),
        lines(
            "In flight", "short",
            "Requests inside an instance: being read, waiting, computed, answered. Above, the share of --max-requests.",
            [query(f"kiln_requests_in_flight{{{INSTANCE}}}", "{{instance}}")],
        ),
        lines(
            "Queue", "short", "Requests that wait for a compute thread, by instance.",
            [query(f"sum by (instance) (kiln_queue_size{{{MODEL}}})", "{{instance}}")],
        ),
        lines(
            "Batch size", "short",
            "Requests computed together. It grows by itself under load: a thread that is free takes what waits.",
            [
                query(
                    f"sum by (model) (rate(kiln_batch_size_sum{{{MODEL}}}{RATE})) / sum by (model) (rate(kiln_batch_size_count{{{MODEL}}}{RATE}))",
                    "{{model}} mean",
                ),
                query(f"histogram_quantile(0.99, sum by (model, le) (rate(kiln_batch_size_bucket{{{MODEL}}}{RATE})))", "{{model}} p99"),
            ],
        ).axis_soft_min(1),
    ]


def instances():
    return [
        Row("Instances"),
        stacked(lines(
            "Instances", "short", "Answering Prometheus, and getting requests from Envoy because they are healthy.",
            [query(f"up{{{INSTANCE}}}", "{{instance}}")],
        )).decimals(0),
        stacked(lines(
            "Requests by instance", "reqps", "Predictions over gRPC and HTTP. Envoy sends each request to the less busy of two instances: even bands are right.",
            [query(or_zero(f"sum by (instance) ({both_doors(CALLS, POSTS)})", "instance"), "{{instance}}")],
        )),
        limited(lines(
            "CPU", "short", "Cores in use by each instance. The line is its limit.",
            [query(f"rate(process_cpu_seconds_total{{{INSTANCE}}}{RATE})", "{{instance}}")],
        ), (CPU_LIMIT, RED)).decimals(2),
        limited(lines(
            "Memory", "bytes", "Resident memory of each instance. At the line, its limit, the kernel ends it.",
            [query(f"process_resident_memory_bytes{{{INSTANCE}}}", "{{instance}}")],
        ), (MEMORY_LIMIT, RED)),
        lines(
            "Network", "Bps", "Bytes a second into (up) and out of (down) each instance.",
            [
                query(f"rate(process_network_receive_bytes_total{{{INSTANCE}}}{RATE})", "{{instance}} in"),
                query(f"-rate(process_network_transmit_bytes_total{{{INSTANCE}}}{RATE})", "{{instance}} out"),
            ],
        ).axis_centered_zero(True),
        lines(
            "Open files", "short", "Open descriptors of each instance; a connection is one.",
            [query(f"process_open_fds{{{INSTANCE}}}", "{{instance}}")],
        ),
    ]


def models():
    names = {"model": "Model", "version": "Version", "backend": "Backend", "format": "File", "keras_version": "Keras", "parameters": "Parameters"}
    return [
        Row("Models"),
        rows(
            "Models loaded", "short", "What each model is, and on how many instances.",
            [last(
                f"count by (model, version, backend, format, keras_version, parameters) (kiln_model_info{{{MODEL}}})", "{{model}}"
            )],
        ).with_transformation(DataTransformerConfig(
            id_val="organize", options={"excludeByName": {"Time": True}, "renameByName": names | {"Value": "Instances"}}
        )).span(12),
        lines(
            "Loads", "short", "Attempts to load a model, by how they ended.",
            [query(f"sum by (model, outcome) (increase(kiln_model_loads_total{{{MODEL}}}[5m]))", "{{model}} {{outcome}}")],
        ).span(6),
        number(
            "Load time", "s", "How long a model took to be read, built and warmed, on average since the instances started.",
            [query(
                f"sum by (model) (kiln_model_load_duration_seconds_sum{{{MODEL}}}) / sum by (model) (kiln_model_load_duration_seconds_count{{{MODEL}}})",
                "{{model}}",
            )],
        ).thresholds(steps((15, YELLOW), (60, RED))).height(8).span(6),
    ]


def front():
    instances = 'job="envoy", envoy_cluster_name=~"kiln_grpc|kiln_http"'
    # What no instance has begun is sent again by the one, what was lost with its instance by the other.
    tries = 'job="envoy", envoy_cluster_name=~"kiln_grpc|kiln_http|attempt"'

    def cluster(name):
        return f'job="envoy", envoy_cluster_name="{name}"'

    return [
        Row("Envoy"),
        fixed_colors(lines(
            "Healthy instances", "short", "What Envoy finds in DNS, and what of it answers health checks, over gRPC and over HTTP.",
            [
                query(f"envoy_cluster_membership_total{{{cluster('kiln_grpc')}}}", "found"),
                query(f"envoy_cluster_membership_healthy{{{cluster('kiln_grpc')}}}", "healthy, gRPC"),
                query(f"envoy_cluster_membership_healthy{{{cluster('kiln_http')}}}", "healthy, HTTP"),
            ],
        ), {"found": BLUE, "healthy, gRPC": GREEN, "healthy, HTTP": "light-green"}).decimals(0),
        lines(
            "Sent again", "reqps", "Requests that an instance lost and another one answered. Exhausted: that no instance answered.",
            [
                query(f"sum(rate(envoy_cluster_upstream_rq_retry_success{{{tries}}}{RATE}))", "answered by another"),
                query(f"sum(rate(envoy_cluster_upstream_rq_retry_limit_exceeded{{{tries}}}{RATE}))", "exhausted"),
                query(f"sum(rate(envoy_cluster_upstream_rq_retry_overflow{{{tries}}}{RATE}))", "too many at once"),
            ],
        ),
        lines(
            "Taken out", "short",
            "Instances that Envoy took out because connections to them broke, and requests refused by its circuit breakers.",
            [
                query(f"max(envoy_cluster_outlier_detection_ejections_active{{{instances}}})", "instances out"),
                query(f"sum(rate(envoy_cluster_upstream_rq_pending_overflow{{{instances}}}{RATE}))", "requests refused a second"),
            ],
        ),
    ]


def replaced():
    return [
        Row("The three metrics of the project that Kiln replaces"),
        stacked(lines(
            "api_requests_total", "reqps", "Predictions a second by client.",
            [query(or_zero(f"sum by (client_ip) (rate(api_requests_total{{{INSTANCE}}}{RATE}))", "client_ip"), "{{client_ip}}")],
        )),
        lines(
            "api_runtime_seconds", "s", "How long the last prediction of each client took, the slowest instance.",
            [query(or_zero(f"max by (client_ip) (api_runtime_seconds{{{INSTANCE}}})", "client_ip"), "{{client_ip}}")],
        ),
        lines(
            "processing_time_per_char_microseconds", "µs",
            "How long the last prediction of each client took for each input value, of which a digit has 784.",
            [query(or_zero(
                f"max by (client_ip) (processing_time_per_char_microseconds{{{INSTANCE}}})", "client_ip"
            ), "{{client_ip}}")],
        ),
    ]

