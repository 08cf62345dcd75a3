"""How a new copy does with real requests, told by the gateway's access log, the runtime and its readiness path."""
