"""Asking a deployment what it serves, and what its serializers make of bytes: the shell around
`service_protocol.discovery`.

`Discovery.discover` asks over HTTP and decides which generation answered; `announcement` turns the answer into the
nouns of `schema`. Nothing is stored here.
"""
