"""Port 9070: REST for people, scripts and the official command-line client, in the shapes of both generations.

Quart on Trio, served by Hypercorn. Importing these modules takes long, so nothing imports them before the other ports
listen; `server` is the entry. Every route exists without prefix and under /v2, /v3 and /v4 (`routes`); all refusals
leave through `errors`.
"""
