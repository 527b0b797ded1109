"""Calls of gRPC, gRPC-Web and Connect on our own listener.

`server.RpcServer` answers requests: it finds the `method.Method`, makes a `call.Call`, and lets the method's handler
read and send messages by it. Handlers are plain functions, or methods of bases that grpclib's protoc plugin generates
(`bases/`). No asyncio loop runs.
"""
