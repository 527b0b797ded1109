"""RPC protocols as bytes and messages: statuses, error bodies, JSON. Pure; the ingress carries them over HTTP."""
