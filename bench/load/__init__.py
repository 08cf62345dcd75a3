"""A load client: fixed rates whatever the answers do, every request counted, every loss kept with its moment and kind.

``python -m bench.load 198.18.0.5 --seconds 60`` prints one JSON object. It runs as a process of its own, so that
what a test does meanwhile does not disturb its timing; ``bench.load.runner.Load`` starts it and reads its report.

- *Open loop*: a request is due when the clock says so. A late answer does not slow the next request down, and a
  latency counts from the moment the request was due.
- It tries nothing twice. The one exception is HTTP/2's own: a stream that the server says (GOAWAY, REFUSED_STREAM) it
  never looked at is sent again, as RFC 9113 §6.8 and §8.7 tell every client, and counted as ``moved``.
- It asks nobody but loopback and nodes of the local cloud.
"""
